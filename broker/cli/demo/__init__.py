"""`token-broker demo`: the whole product on one machine, step by step.

`stage` runs the embedded server, the broker and the sample workload, and feeds what happens into one queue; `tally`
counts it, `story` puts it into words, `plain` or `live` shows the words. `workload` is another program.
"""

import click


@click.command("demo")
@click.option(
    "--seconds",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="End by itself after this many seconds; 0, the default: at Ctrl-C.",
)
@click.option("--plain", is_flag=True, help="Plain lines on a terminal too, as when the output goes elsewhere.")
@click.pass_context
def command(ctx: click.Context, seconds: int, plain: bool) -> None:  # noqa: FBT001 - click passes a flag like this
    """See it work on this machine: no account, no internet.

    An authorization server in Okta's manner refuses a client secret. The broker, with a fresh key pair, is given
    tokens. They are short-lived and replaced ahead of expiry, while a sample workload asks for them over HTTP and
    never misses one, not even when the server fails.

    Exit 0 when the workload missed nothing, else 1.
    """
    from broker.cli.demo.stage import main  # noqa: PLC0415 - every command must start fast

    ctx.exit(main(seconds, plain=plain))
