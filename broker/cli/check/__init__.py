"""`token-broker check`: a dry run of the whole chain, for the person who sets it up.

`main` runs the command; `run` goes through the clients side by side, `chain` through the steps of one, with the parts
that the daemon has: `files` looks at keys and other files, `heard` records requests and answers, `peer` who presented
which certificate. `evidence` turns a failure into what a person should read. The result is a `report`; `text` and
`as_json` show it.
"""

import click

from broker.cli.config import CONFIG


@click.command("check")
@CONFIG
@click.option("--offline", is_flag=True, help="Check configuration, keys and other files only; send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead, for programs.")
def command(path: str | None, *, offline: bool, as_json: bool) -> None:
    """Try everything that a token needs, once, and say what to do where it fails.

    One line a step: configuration, keys, connection, metadata, clock, token, scopes. Of each token one is asked for and
    thrown away; $TOKEN_BROKER_TOKENS names some to check these only. No token is printed.

    Exit 0 when all is good, 1 when something failed, 2 for the configuration.
    """
    from broker.cli.check.main import main  # noqa: PLC0415 - every command must start fast

    main(path, offline=offline, as_json=as_json)
