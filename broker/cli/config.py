"""`config show` and `config schema`: what a configuration comes to, and what it may hold."""

import click

#: Of every command that reads it. Whether it is there and may be read is for `broker.config` to say.
CONFIG = click.option(
    "--config",
    "path",
    type=click.Path(readable=False),
    metavar="FILE",
    help="Configuration file.  [default: $TOKEN_BROKER_CONFIG, else /etc/token-broker/config.yaml]",
)


@click.group(short_help="Show the effective configuration or its schema.")
def command() -> None:
    """What the configuration comes to, and what it may hold."""


@command.command()
@CONFIG
def show(path: str | None) -> None:
    """Print the effective configuration: presets, defaults and variables in place, secrets hidden.

    What is printed is a configuration file itself.
    """
    import os  # noqa: PLC0415 - --help reads no configuration

    from broker.config import resolve, rules  # noqa: PLC0415 - as above
    from broker.config.show import show as shown  # noqa: PLC0415 - as above

    settings = resolve.load(path, os.environ)
    click.echo(shown(settings), nl=False)
    for warning in rules.warnings(settings):
        click.echo(f"token-broker: warning: {warning}", err=True)


@command.command()
@click.option("--markdown", is_flag=True, help="Print the reference for people instead, docs/configuration.md.")
def schema(markdown: bool) -> None:  # noqa: FBT001 - click's way
    """Print the JSON Schema of the configuration file, for editors."""
    import json  # noqa: PLC0415 - as above

    from broker.config.reference import reference  # noqa: PLC0415 - as above
    from broker.config.schema import schema as whole  # noqa: PLC0415 - as above

    click.echo(reference() if markdown else json.dumps(whole(), indent=2, ensure_ascii=False) + "\n", nl=False)
