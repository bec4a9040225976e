"""`python -m limedb` and the console script `limedb`."""

from limedb.cli.app import cli


def main() -> None:
    """Run the command line."""
    cli()


if __name__ == "__main__":
    main()
