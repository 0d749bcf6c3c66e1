"""`token-broker check`: a dry run of the whole chain, for the person who sets it up.

`main` runs the command, `run` checks the clients concurrently, and `chain` runs the steps of one client with the same
parts as the daemon: `files` checks keys and other files, `recording_transport` records requests and responses, `peer`
reads certificates. `evidence` turns a failure into an explanation for a person. The result is a `report`; `text` and
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
