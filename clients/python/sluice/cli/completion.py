"""`sluice completion`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

_SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the completion script of a shell.

    \b
    bash: eval "$(sluice completion bash)"        in ~/.bashrc
    zsh:  eval "$(sluice completion zsh)"         in ~/.zshrc, after compinit
    fish: sluice completion fish | source         in ~/.config/fish/config.fish
    """
    script = _SHELLS[shell](context.find_root().command, {}, "sluice", "_SLUICE_COMPLETE")
    # Not `source`, which asks bash for its version and warns of old ones.
    click.echo(script.source_template % script.source_vars())
