"""How many requests one core answers, and what each of them costs it: wrk's closed loop on 16 connections."""

import contextlib
import json
import subprocess
from functools import partial
from pathlib import Path

from benchmarks.footprint.measuring import Sample, Samples, rounds
from benchmarks.handout.subjects import LOAD, LOOPS, Bench, Subject

CONNECTIONS = 16
ASKING = str(Path(__file__).with_name("asking.lua"))


def measured(bench: Bench, *, number: int, seconds: float) -> Samples:
    """`per_second`, and `cpu_us` of the server per request, by what differs and who is asked: `nothing: nginx`.

    What only matters where everything is answered in full is only measured there.
    """
    with contextlib.ExitStack() as running:
        issuer = running.enter_context(bench.issuer())
        servers, in_full = {}, {}
        for loop in LOOPS:
            servers[f"token-broker, {loop}"] = running.enter_context(bench.broker(issuer, loop=loop))
        body = servers["token-broker, uvloop"].get("/v1/token")
        for loop in LOOPS:
            servers[f"aiohttp Application, {loop}"] = running.enter_context(
                bench.bare(body, api="application", loop=loop)
            )
            in_full[f"token-broker with callers, {loop}"] = running.enter_context(
                bench.broker(issuer, loop=loop, caller=True)
            )
            in_full[f"aiohttp web.Server, {loop}"] = running.enter_context(bench.bare(body, api="server", loop=loop))
        nginx = {"nginx": running.enter_context(bench.nginx(body))}
        asked = {"nothing": nginx | servers, "traceparent": servers, "x-request-id": servers | in_full}
        subjects = {
            f"{differs}: {name}": partial(_asked, bench, subject, differs, seconds)
            for differs, those in asked.items()
            for name, subject in those.items()
        }
        return rounds(number, subjects)


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
    return {
        "per_second": told["requests"] / told["seconds"],
        "cpu_us": used / told["requests"] * 1e6,
        "busy": used / told["seconds"],  # the share of its core that the server had
    }
