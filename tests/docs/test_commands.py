"""Commands in the documents exist, and take the options that they are shown with."""

import functools
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import click
import pytest

from broker.__main__ import cli
from docs.commands import Command, commands
from docs.pages import ROOT
from each_case import for_each
from programs.installed import helm, kubectl

#: Options of kubectl and helm that stand before a subcommand's name and are followed by a word.
WITH_VALUE = ("-n", "--namespace", "-c", "-o", "-l")


def test_commands_are_found() -> None:
    found = {str(command.arguments[0]) for command in commands("token-broker") if command.arguments}
    assert found >= {"run", "keygen", "jwks", "token", "config", "dev-server", "healthcheck"}
    assert commands("kubectl")
    assert commands("helm")


@for_each("command", commands("token-broker"))
def test_token_broker_takes_this_command_line(command: Command) -> None:
    words = [word for word in command.arguments if word != "…"]
    here: click.Command = cli
    context: click.Context | None = None
    # `token-broker config` names a group; --help and --version end the parsing.
    with suppress(click.exceptions.NoArgsIsHelpError, click.exceptions.Exit):
        while True:
            context = here.make_context(here.name, words, parent=context)
            if not isinstance(here, click.Group):
                break
            _, found, words = here.resolve_command(context, [*context._protected_args, *context.args])
            assert found is not None
            here = found


@pytest.mark.parametrize("command", commands("kubectl"), ids=str)
def test_kubectl_knows_this_command_line(command: Command) -> None:
    judge(kubectl(), command)


@pytest.mark.parametrize("command", commands("helm"), ids=str)
@pytest.mark.parametrize("major", [3, 4])
def test_helm_knows_this_command_line(command: Command, major: int) -> None:
    judge(helm(3) if major == 3 else helm(4), command)


@for_each("command", commands("make"))
def test_make_has_this_target(command: Command) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in command.arguments if re.fullmatch(r"[a-z-]+", word)} <= set(targets)


def judge(program: Path, command: Command) -> None:
    """Its subcommand is one that the program has, and each option is in the help of that subcommand."""
    arguments = list(command.arguments)
    if "--" in arguments:
        arguments = arguments[: arguments.index("--")]
    words, options, skip = [], [], False
    for argument in arguments:
        if re.match("-.", argument):
            options.append(argument.partition("=")[0])
            skip = argument in WITH_VALUE
        elif skip:
            skip = False
        else:
            words.append(argument)
    if not words:
        return
    text = next(filter(None, (documentation(program, *words[:count]) for count in (3, 2, 1))), "")
    assert text, f"{program.name} has no command {words[0]}"
    known = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*(?=[=, \n])", text))
    assert [option for option in options if option not in known] == []


@functools.cache
def documentation(program: Path, *words: str) -> str:
    """The help of exactly this subcommand with the options that every one has; "" when there is no such command."""
    asked = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=False)
    usage = re.search(rf"^ *{program.name} {' '.join(map(re.escape, words))}(?: |$)", asked.stdout, re.MULTILINE)
    if not usage:
        return ""
    everywhere = ["options"] if program.name == "kubectl" else ["--help"]
    common = subprocess.run([program, *everywhere], capture_output=True, text=True, check=False)
    return asked.stdout + common.stdout
