"""How many requests one core answers, and what each of them costs it: wrk's closed loop on 16 connections."""

import contextlib
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from benchmarks.footprint.measuring import SETTLE, Sample, Samples, rounds
from benchmarks.handout.subjects import LOAD, LOOPS, Bench, Subject

CONNECTIONS = 16
ASKING = str(Path(__file__).with_name("asking.lua"))
CONNECTING = str(Path(__file__).with_name("connecting.py"))
#: What goes through aiohttp.
IN_FULL = "in full"


def measured(bench: Bench, *, number: int, seconds: float) -> Samples:
    """`per_second`, and `cpu_us` of the server per request, by what differs and who is asked: `nothing: nginx`.

    What only matters where everything is answered in full is only measured there.
    """
    with contextlib.ExitStack() as running:
        issuer = running.enter_context(bench.issuer())
        servers = {f"token-broker, {loop}": running.enter_context(bench.broker(issuer, loop=loop)) for loop in LOOPS}
        body = servers["token-broker, uvloop"].get("/v1/token")
        in_full = {}
        for loop in LOOPS:
            servers[f"aiohttp Application, {loop}"] = running.enter_context(
                bench.bare(body, api="application", loop=loop)
            )
            in_full[f"token-broker with callers, {loop}"] = running.enter_context(
                bench.broker(issuer, loop=loop, caller=True)
            )
            in_full[f"aiohttp web.Server, {loop}"] = running.enter_context(bench.bare(body, api="server", loop=loop))
        nginx = {"nginx": running.enter_context(bench.nginx(body))}
        asked = {"nothing": nginx | servers, "three fields": nginx | servers, IN_FULL: servers | in_full}
        subjects = {
            f"{differs}: {name}": partial(_asked, bench, subject, differs, seconds)
            for differs, those in asked.items()
            for name, subject in those.items()
        }
        return rounds(number, subjects)


def connecting(bench: Bench, *, number: int, seconds: float) -> Samples:
    """The same for a new connection for each request, by who is asked."""
    with contextlib.ExitStack() as running:
        issuer = running.enter_context(bench.issuer())
        servers = {f"token-broker, {loop}": running.enter_context(bench.broker(issuer, loop=loop)) for loop in LOOPS}
        body = servers["token-broker, uvloop"].get("/v1/token")
        for loop in LOOPS:
            servers[f"aiohttp Application, {loop}"] = running.enter_context(
                bench.bare(body, api="application", loop=loop)
            )
        servers["nginx"] = running.enter_context(bench.nginx(body))
        return rounds(number, {name: partial(_connected, bench, one, seconds) for name, one in servers.items()})


def _connected(bench: Bench, subject: Subject, seconds: float) -> Sample:
    before = subject.cpu()
    command = bench.on(LOAD, [sys.executable, CONNECTING, str(subject.port), str(seconds)])
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding="utf-8")
    time.sleep(SETTLE)  # the last connections are taken down
    connections, taken = (float(word) for word in done.stdout.split())
    return _sample(connections, taken, subject.cpu() - before)


def _asked(bench: Bench, subject: Subject, differs: str, seconds: float) -> Sample:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", ASKING]
    url = f"http://127.0.0.1:{subject.port}/v1/token"
    arguments = [differs, subject.secret] if subject.secret else [differs]
    before = subject.cpu()
    done = subprocess.run(
        bench.on(LOAD, [*command, url, "--", *arguments]), stdout=subprocess.PIPE, check=True, encoding="utf-8"
    )
    used = subject.cpu() - before
    told = json.loads(done.stdout.splitlines()[-1])
    if told["errors"] or not told["requests"]:
        msg = f"{differs} differs, port {subject.port}: {told}"
        raise RuntimeError(msg)
    return _sample(told["requests"], told["seconds"], used)


def _sample(requests: float, seconds: float, used: float) -> Sample:
    """`busy` is the share of its core that the server had."""
    return {"per_second": requests / seconds, "cpu_us": used / requests * 1e6, "busy": used / seconds}
