from limedb.core.problems import HIDDEN, Problem, Problems


def test_a_node_without_a_word_from_its_parts_is_well() -> None:
    problems = Problems()
    problems.add(tuple)
    assert (problems.now(), problems.blocking, problems.warnings) == ([], "", [])


def test_the_first_part_that_stops_serving_says_why_and_the_rest_are_warnings() -> None:
    problems, clock = Problems(), [Problem("the clock is off", stops_serving=True)]
    problems.add(lambda: [Problem("a record is damaged")])
    problems.add(lambda: clock)
    problems.add(lambda: [Problem("the disk failed", stops_serving=True)])
    assert (problems.blocking, problems.warnings) == ("the clock is off", ["a record is damaged"])
    clock.clear()
    assert problems.blocking == "the disk failed"


def test_a_part_that_fails_when_it_is_asked_hides_no_other_and_is_named() -> None:
    def samples() -> list[Problem]:
        raise OSError(24, "Too many open files")

    problems = Problems()
    problems.add(samples)
    problems.add(lambda: [Problem("the disk failed", stops_serving=True)])
    assert problems.blocking == "the disk failed"
    (warning,) = problems.warnings
    assert "samples" in warning
    assert "Too many open files" in warning


def test_what_names_keys_or_files_is_hidden_once_from_those_who_may_not_know_them() -> None:
    problems = Problems()
    problems.add(lambda: [Problem("the record of 'a' is damaged", is_private=True), Problem("late")])
    problems.add(lambda: [Problem("/etc/node.key is open", is_private=True)])
    assert problems.warnings == ["the record of 'a' is damaged", "late", "/etc/node.key is open"]
    assert problems.public_warnings == [HIDDEN, "late"]
