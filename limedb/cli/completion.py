"""`limedb completion`: the completion script of a shell."""

import click
from click.shell_completion import get_completion_class

from limedb.cli.options import command


@command(
    "completion",
    examples="""
    limedb completion bash > ~/.local/share/bash-completion/completions/limedb
    limedb completion zsh > ~/.zfunc/_limedb
    limedb completion fish > ~/.config/fish/completions/limedb.fish
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete commands and options of limedb."""
    kind = get_completion_class(shell)
    if kind is None:  # click has all three
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, "limedb", "_LIMEDB_COMPLETE").source())
