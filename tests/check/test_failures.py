"""What stands in the way of a token, and how it reads."""

import asyncio
import datetime as dt
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from broker.cli.check.peer import look, proxy_for
from broker.core.settings import Assertion, Dpop, Http, TokenSettings
from broker.devserver import Fault
from check.far_servers import DAY, Authority, authorization_server, nameless_server, page, tunnel
from check.scene import CLIENT_ID, SCOPES, Report, Scene, a_key, report, write
from raw_server import answers, http, raw_server


@contextmanager
def a_free_port() -> Iterator[int]:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    yield port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def far(scene: Scene, issuer: str, **changes: Any) -> Report:
    """The same client at another server, of no known kind."""
    return await scene.check(provider="generic", issuer=issuer, **changes)


# The seed


async def test_a_client_set_to_a_secret_is_told_where_to_click_and_given_what_to_paste(scene: Scene) -> None:
    said = (
        "Client Credentials requests to the Org Authorization Server must use the private_key_jwt"
        " token_endpoint_auth_method."
    )
    scene.server.faults.set(Fault(status=401, body={"error": "invalid_client", "error_description": said}))
    found = await scene.check()
    assert "FAIL token users-api: refused with 401 (auth_method)" in found.read
    assert f'said "invalid_client: {said}"' in found.read
    steps = (
        "1. In the Okta Admin Console open Applications > Applications > the app > General.",
        "2. Under Client Credentials choose Edit, and as Client authentication Public key / Private key.",
        "3. Save keys in Okta: choose Add key, paste the public JWK, then Done.",
        "4. Or choose Use a URL to fetch keys dynamically, and give the public https URL",
        "5. Save;",
    )
    assert [found.read.count(step) for step in steps] == [1] * 5
    assert [found.read.index(step) for step in steps] == sorted(found.read.index(step) for step in steps)
    pasted = found.text[found.text.index("{") : found.text.rindex("}") + 1]
    assert found.members("token")["problem"]["public_jwk"] == {
        **scene.key.as_dict(private=False),
        "use": "sig",
        "alg": "ES256",
        "kid": "2026-11-okta",
    }
    assert str(scene.key.as_dict(private=False)["x"]) in pasted
    assert '"d"' not in pasted


async def test_several_keys_are_pasted_as_a_set(scene: Scene) -> None:
    second = write(scene.folder / "second.jwk", a_key("second"))
    scene.server.faults.set(
        Fault(status=401, body={"error": "invalid_client", "error_description": "The client JWKSet is invalid."})
    )
    found = await scene.check(private_keys=(*scene.client.private_keys, second))
    jwks = found.members("token")["problem"]["public_jwk"]
    assert [key["kid"] for key in jwks["keys"]] == ["2026-11-okta", "second"]
    assert "keys The public keys, to paste:" in found.read


# The clock


@pytest.mark.parametrize(("skew", "said"), [(40, "40 s behind"), (-40, "40 s ahead of")])
async def test_a_clock_that_is_off_is_said_and_corrected(scene: Scene, skew: float, said: str) -> None:
    scene.server.faults.skew = skew
    found = await scene.check()
    assert found.went[-3:] == [("clock", "warning"), ("token", "ok"), ("scopes", "ok")]
    assert f"warn clock ours is {said} the server's, which the broker corrects" in found.read
    assert "fix Synchronise the node's clock (NTP, chrony)" in found.read
    assert found.members("clock")["offset"] == pytest.approx(skew, abs=2)


async def test_a_clock_that_only_a_bare_refusal_shows_is_corrected(scene: Scene) -> None:
    scene.server.faults.skew = 100.0
    scene.server.faults.set(Fault(status=401, body={"error": "invalid_client"}, times=1))
    found = await scene.check()
    assert found.went[-3:] == [("clock", "warning"), ("token", "ok"), ("scopes", "ok")]
    assert found.ok


async def test_a_clock_beyond_correction_is_the_reason_of_the_refusal(scene: Scene) -> None:
    scene.server.faults.skew = 3000
    found = await scene.check()
    assert "the server's, more than the broker corrects" in found.read
    assert "refused with 401 (clock)" in found.read
    assert 'said "invalid_client: The client_assertion token is expired."' in found.read


async def test_a_server_without_a_clock_is_no_failure(scene: Scene) -> None:
    scene.server.faults.set(Fault(headers={"Date": ""}))
    found = await scene.check(issuer=None, token_endpoint=scene.server.token_endpoint)
    assert found.step("clock").status == "skipped"
    assert found.ok


# Names, connections, proxies


async def test_a_name_that_does_not_resolve_is_said_to_be_that(scene: Scene) -> None:
    found = await far(scene, "https://no-such-host.invalid")
    assert "FAIL connection none with no-such-host.invalid:443 (dns_failed)" in found.read
    assert "cause The host name of no-such-host.invalid:443 was not resolved." in found.read
    assert "fix Check the host in clients.okta.issuer" in found.read
    assert found.went[2:] == [("connection", "failed"), ("metadata", "skipped"), ("token", "skipped")]


async def test_a_port_where_nobody_listens_is_said_to_be_that(scene: Scene) -> None:
    with a_free_port() as port:
        found = await far(scene, f"http://127.0.0.1:{port}")
    assert f"FAIL connection none with 127.0.0.1:{port} (connect_failed)" in found.read
    assert 'said "Connection refused"' in found.read


async def test_a_written_endpoint_that_is_not_reached_fails_as_a_connection_too(scene: Scene) -> None:
    with a_free_port() as port:
        found = await scene.check(issuer=None, token_endpoint=f"http://127.0.0.1:{port}/token")
    assert found.went[2:] == [("metadata", "ok"), ("connection", "failed"), ("token", "skipped")]


async def test_a_proxy_that_wants_a_password_is_named_with_where_it_is_written(scene: Scene) -> None:
    async with raw_server(answers(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as proxy:
        found = await far(scene, "https://idp.example", http=Http(proxy=proxy.url))
    assert "FAIL connection none with idp.example:443 (proxy_failed)" in found.read
    assert f"proxy 127.0.0.1:{proxy.port} (clients.okta.http.proxy)" in found.read
    assert (
        "cause The HTTP proxy on the way to idp.example:443 wants a user and a password, or other ones." in found.read
    )
    assert "clients.okta.http.proxy_password_file" in found.read


async def test_a_proxy_that_forbids_the_host_is_told_from_one_that_is_down(scene: Scene) -> None:
    async with raw_server(answers(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as proxy:
        forbidden = await far(scene, "https://idp.example", http=Http(proxy=proxy.url))
    down = await far(scene, "https://idp.example", http=Http(proxy=proxy.url))
    assert "cause The HTTP proxy does not let requests through to idp.example:443." in forbidden.read
    assert "cause The HTTP proxy on the way to idp.example:443 cannot be reached." in down.read


async def test_a_proxy_of_the_environment_is_named_by_its_variable(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_free_port() as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:s3cret@127.0.0.1:{port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        found = await far(scene, "https://idp.example")
    assert f"proxy 127.0.0.1:{port} (HTTPS_PROXY in the environment)" in found.read
    assert "s3cret" not in found.text


async def test_what_is_reached_through_a_proxy_says_so_with_its_certificate(scene: Scene, authority: Authority) -> None:
    async with (
        authorization_server(authority.context("idp.example"), "idp.example") as server,
        raw_server(tunnel(server.port)) as proxy,
    ):
        issuer = f"https://idp.example:{server.port}"
        found = await far(
            scene, issuer, http=Http(proxy=f"http://me@127.0.0.1:{proxy.port}", ca_file=str(authority.file))
        )
    assert found.ok, found.text
    through = (
        f"TLSv1.3 with idp.example:{server.port}, through the proxy 127.0.0.1:{proxy.port} (clients.okta.http.proxy)"
    )
    assert through in found.read
    assert "certificate by Acme Root CA, until" in found.read


# Certificates


async def test_a_trusted_certificate_is_shown_with_its_issuer_and_end(scene: Scene, authority: Authority) -> None:
    async with authorization_server(authority.context()) as server:
        found = await far(scene, f"https://127.0.0.1:{server.port}", http=Http(ca_file=str(authority.file)))
    assert found.ok, found.text
    until = (dt.datetime.now(dt.UTC) + 90 * DAY).strftime("%Y-%m-%d")
    assert f"TLSv1.3 with 127.0.0.1:{server.port}; certificate by Acme Root CA, until {until}" in found.read
    assert found.members("connection")["certificate"]["issuer"] == "Acme Root CA"


async def test_a_chain_to_an_unknown_authority_shows_who_signed(scene: Scene, authority: Authority) -> None:
    async with authorization_server(authority.context()) as server:
        found = await far(scene, f"https://127.0.0.1:{server.port}")
    assert f"FAIL connection none with 127.0.0.1:{server.port} (tls_failed)" in found.read
    assert 'said "unable to get local issuer certificate"' in found.read
    assert "presented 127.0.0.1, issued by Acme Root CA, valid from" in found.read
    assert "is signed by nobody who is trusted here" in found.read
    assert "fix Put the CA certificate of whoever signed it into the file clients.okta.http.ca_file" in found.read


@pytest.mark.parametrize(
    ("start", "end", "said", "cause"),
    [
        (-9 * DAY, -2 * DAY, "certificate has expired", "has expired, or this machine's clock is ahead."),
        (2 * DAY, 9 * DAY, "certificate is not yet valid", "is not valid yet: this machine's clock is behind."),
    ],
)
async def test_a_certificate_out_of_its_time_shows_its_dates(
    scene: Scene, authority: Authority, start: dt.timedelta, end: dt.timedelta, said: str, cause: str
) -> None:
    async with authorization_server(authority.context(start=start, end=end)) as server:
        found = await far(scene, f"https://127.0.0.1:{server.port}", http=Http(ca_file=str(authority.file)))
    assert f'said "{said}"' in found.read
    assert cause in found.read
    assert (dt.datetime.now(dt.UTC) + end).strftime("to %Y-%m-%d") in found.read


async def test_a_certificate_for_another_host_shows_for_which(scene: Scene, authority: Authority) -> None:
    async with authorization_server(authority.context("gateway.example")) as server:
        found = await far(scene, f"https://127.0.0.1:{server.port}", http=Http(ca_file=str(authority.file)))
    assert f"cause The certificate that 127.0.0.1:{server.port} presents is for another host, or" in found.read
    assert "presented gateway.example, issued by Acme Root CA, valid from" in found.read


async def test_a_host_only_in_the_common_name_is_refused(scene: Scene, authority: Authority) -> None:
    context = authority.context("localhost", common_name_only=True)
    async with authorization_server(context, "localhost") as server:
        found = await far(scene, f"https://localhost:{server.port}", http=Http(ca_file=str(authority.file)))
    assert "its name is in the Common Name only, which does not count" in found.read
    assert "issue a certificate with the host as subjectAltName" in found.read
    assert server.requests == []


async def test_a_port_without_tls_is_said_to_be_that(scene: Scene) -> None:
    found = await far(scene, scene.server.issuer.replace("http:", "https:"))
    assert "does not speak TLS" in found.read
    assert "clients.okta.allow_http" in found.read


async def test_a_certificate_that_names_nobody_is_shown_as_that(scene: Scene) -> None:
    async with nameless_server(scene.folder) as server:
        found = await far(scene, f"https://127.0.0.1:{server.port}")
    assert "presented nobody, issued by nobody, valid from" in found.read


async def test_the_proxys_password_is_sent_to_it_and_shown_to_nobody(scene: Scene, authority: Authority) -> None:
    (scene.folder / "password").write_text("hunter2")
    async with (
        authorization_server(authority.context("idp.example"), "idp.example") as server,
        raw_server(tunnel(server.port)) as proxy,
    ):
        url, password = f"http://me@127.0.0.1:{proxy.port}", str(scene.folder / "password")
        http_settings = Http(proxy=url, proxy_password_file=password, ca_file=str(authority.file))
        found = await far(scene, f"https://idp.example:{server.port}", http=http_settings)
    assert found.ok, found.text
    sent = {line for request in proxy.requests for line in request.split(b"\r\n") if b"Authorization" in line}
    assert sent == {b"Proxy-Authorization: Basic bWU6aHVudGVyMg=="}
    assert "certificate by Acme Root CA" in found.read
    assert "hunter2" not in found.text


@pytest.mark.parametrize("url", ["http://[", "none", "http://"])
def test_what_is_no_proxy_is_none(url: str) -> None:
    assert proxy_for("https://idp.example", Http(proxy=url), "okta") is None


async def test_no_certificate_is_shown_where_none_was_seen(scene: Scene) -> None:
    async with raw_server(answers(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        way = proxy_for("https://idp.example", Http(proxy=url), "okta")
        assert await look("https://idp.example", Http(proxy=url), way) is None
        missing = Http(proxy=url, proxy_password_file=str(scene.folder / "missing"))
        assert await look("https://idp.example", missing, way) is None
    assert await look("http://idp.example", Http(), None) is None
    assert await look(f"https://127.0.0.1:{scene.server.port}", Http(), None) is None


@pytest.mark.parametrize("known", [True, False])
async def test_a_proxy_behind_tls_is_gone_through_when_it_is_trusted_and_told_nothing_when_not(
    authority: Authority, *, known: bool
) -> None:
    async with (
        authorization_server(authority.context("idp.example"), "idp.example") as server,
        raw_server(tunnel(server.port), tls=authority.context()) as proxy,
    ):
        way = f"https://me:hunter2@127.0.0.1:{proxy.port}"
        http_settings = Http(proxy=way, ca_file=str(authority.file) if known else None)
        url = f"https://idp.example:{server.port}"
        peer = await look(url, http_settings, proxy_for(url, http_settings, "okta"))
    assert bool(proxy.requests) is known
    assert (peer.subject if peer else None) == ("idp.example" if known else None)


async def test_a_server_that_is_not_trusted_is_seen_through_a_proxy_that_is(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", name="Stranger CA")
    async with (
        authorization_server(stranger.context("idp.example"), "idp.example") as server,
        raw_server(tunnel(server.port), tls=authority.context()) as proxy,
    ):
        http_settings = Http(proxy=f"https://127.0.0.1:{proxy.port}", ca_file=str(authority.file))
        url = f"https://idp.example:{server.port}"
        peer = await look(url, http_settings, proxy_for(url, http_settings, "okta"))
    assert peer
    assert peer.issuer == "Stranger CA"


async def test_a_proxy_whose_certificate_is_not_trusted_is_the_cause_and_gets_no_password(
    scene: Scene, authority: Authority
) -> None:
    (scene.folder / "password").write_text("hunter2")
    async with raw_server(answers(http(b"")), tls=authority.context()) as proxy:
        http_settings = Http(
            proxy=f"https://me@127.0.0.1:{proxy.port}", proxy_password_file=str(scene.folder / "password")
        )
        found = await far(scene, "https://idp.example", http=http_settings)
    assert proxy.requests == []
    assert f"cause The certificate of the proxy 127.0.0.1:{proxy.port} is signed by nobody who is trusted" in found.read
    assert "presented 127.0.0.1, issued by Acme Root CA, valid from" in found.read
    assert "fix Correct the proxy in clients.okta.http.proxy (host, port, http:// for one" in found.read
    assert "into the file clients.okta.http.ca_file." in found.read
    assert "certificate" not in found.members("connection")


async def test_trusted_certificates_that_cannot_be_read_show_no_certificate_and_send_nothing(
    scene: Scene, authority: Authority
) -> None:
    async with raw_server(answers(http(b"")), tls=authority.context()) as proxy:
        http_settings = Http(proxy=f"https://127.0.0.1:{proxy.port}", ca_file=str(scene.folder / "missing"))
        url = "https://idp.example"
        assert await look(url, http_settings, proxy_for(url, http_settings, "okta")) is None
    assert proxy.requests == []


# What is not the server


async def test_a_captive_portal_is_seen_for_what_it_is(scene: Scene) -> None:
    async with raw_server(answers(page("Guest Wi-Fi"))) as portal:
        found = await far(scene, portal.url)
    assert "FAIL metadata cannot be used (discovery_failed)" in found.read
    assert '200, text/html titled "Guest Wi-Fi", from' in found.read
    assert (
        "cause A web page came instead of the server's metadata: a captive portal, a login page or a gateway"
        in found.read
    )
    assert found.went[-1] == ("token", "skipped")


async def test_a_redirect_to_a_login_page_is_shown_without_its_query(scene: Scene) -> None:
    moved = http(b"", status="302 Found", headers="Location: https://login.example/start?code=s3cret\r\n")
    async with raw_server(answers(moved)) as portal:
        found = await far(scene, portal.url)
    assert "302, a redirect to https://login.example/start, from" in found.read
    assert "s3cret" not in found.text
    assert "cause A web page came instead of the server's metadata" in found.read


async def test_a_portal_before_a_written_token_endpoint_is_seen_too(scene: Scene) -> None:
    async with raw_server(answers(page("Sign in"))) as portal:
        found = await scene.check(issuer=None, token_endpoint=f"{portal.url}/token")
    assert "FAIL token users-api: the answer cannot be used (bad_answer)" in found.read
    assert '200, text/html titled "Sign in", from' in found.read
    assert "cause A web page came instead of a token" in found.read


async def test_a_server_without_metadata_shows_what_it_answered(scene: Scene) -> None:
    async with raw_server(answers(http(b"no", status="404 Not Found"))) as server:
        found = await far(scene, server.url)
    assert f"came 404, from {server.url}/.well-known/oauth-authorization-server and {server.url}/.well" in found.read
    assert "fix Correct clients.okta.issuer, path included" in found.read


async def test_a_server_in_trouble_is_not_taken_for_a_wrong_address(scene: Scene) -> None:
    async with raw_server(answers(http(b"", status="503 Service Unavailable"))) as server:
        found = await far(scene, server.url)
    assert "(server_error)" in found.read


async def test_a_file_that_cannot_be_read_for_the_request_is_told_there_too(scene: Scene) -> None:
    scene.token = replace(scene.token, parameters_file=str(scene.folder / "missing"))
    found = await scene.check()
    assert "FAIL token users-api: not asked for (secret_file)" in found.read


# Issuer and audience


async def test_another_issuer_is_shown_beside_the_configured_one(scene: Scene) -> None:
    async with raw_server(answers(http(b'{"issuer": "https://idp.example", "token_endpoint": "x"}'))) as server:
        found = await far(scene, server.url)
    assert (
        f'cause The issuer is configured as "{server.url}", and the server\'s metadata name "https://idp.example".'
        in found.read
    )
    assert 'write clients.okta.issuer as "https://idp.example"' in found.read


async def test_metadata_that_name_no_issuer_are_told_as_that(scene: Scene) -> None:
    async with raw_server(answers(http(b"{}"))) as server:
        found = await far(scene, server.url)
    assert "(issuer_mismatch)" in found.read
    assert "names the issuer none" in found.read


async def test_an_issuer_that_lacks_a_slash_is_told_so(scene: Scene) -> None:
    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http(f'{{"issuer": "{server.url}/"}}'.encode()))

    async with raw_server(script) as server:
        found = await far(scene, server.url)
    assert "FAIL metadata cannot be used (issuer_mismatch)" in found.read
    assert f'"{server.url}/"; they differ in the slash at the end, and it counts.' in found.read
    assert f'write clients.okta.issuer as "{server.url}/"' in found.read


async def test_an_audience_that_has_a_slash_too_many_is_told_so(scene: Scene) -> None:
    audience = f"{scene.server.token_endpoint}/"
    found = await scene.check(provider="generic", assertion=Assertion(audience=audience))
    assert "refused with 401 (audience_refused)" in found.read
    assert f'The assertion\'s aud is "{audience}", the server\'s URL "{scene.server.token_endpoint}"' in found.read
    assert "they differ in the slash at the end, and it counts." in found.read
    assert f'fix Write clients.okta.assertion.audience as "{scene.server.token_endpoint}"' in found.read


async def test_another_audience_is_shown_as_it_was_sent(scene: Scene) -> None:
    found = await scene.check(provider="generic", assertion=Assertion(audience="https://elsewhere.example"))
    assert "sent iss 0oa1b2c3d4, aud https://elsewhere.example, kid 2026-11-okta, alg ES256" in found.read
    assert "cause The assertion's aud is not the URL that was posted to, character for character." in found.read


# Scopes and DPoP


async def test_fewer_scopes_than_asked_are_a_failure_that_names_the_missing(scene: Scene) -> None:
    scene.register(scopes=SCOPES[:1])
    found = await scene.check()
    assert not found.ok
    assert "ok token users-api: Bearer" in found.read
    assert "FAIL scopes users-api: 1 of 2 granted; missing: okta.groups.read (scope_refused)" in found.read
    assert "As a Super Admin, open Applications > Applications > the app > Okta API Scopes" in found.read
    assert found.members("scopes")["missing"] == ["okta.groups.read"]


async def test_fewer_scopes_from_another_server_do_not_send_people_to_okta(scene: Scene) -> None:
    scene.register(scopes=SCOPES[:1])
    found = await scene.check(provider="generic")
    assert "or take them out of tokens.users-api.scopes" in found.read
    assert "Okta" not in found.read.replace("okta.", "")


async def test_an_application_that_requires_dpop_is_told_both_ways_out(scene: Scene) -> None:
    scene.server.register(CLIENT_ID, {"keys": [scene.key.as_dict(private=False)]}, dpop=True)
    found = await scene.check()
    assert "refused with 400 (dpop_required)" in found.read
    assert 'said "invalid_dpop_proof: The DPoP proof JWT header is missing."' in found.read
    assert "1. If the workload can send a proof with each request: set clients.okta.dpop to true." in found.read
    assert "clear Require Demonstrating Proof of Possession (DPoP) header in token requests, and save." in found.read


async def test_a_token_bound_without_being_asked_for_is_the_same(scene: Scene) -> None:
    scene.server.faults.set(Fault(answer={"token_type": "DPoP"}))
    found = await scene.check()
    assert "users-api: the answer cannot be used (dpop_required)" in found.read
    assert 'fix Set clients.okta.dpop to true, or clear "Require DPoP"' in found.read


async def test_with_dpop_the_key_that_the_token_is_bound_to_is_shown(scene: Scene) -> None:
    scene.server.register(CLIENT_ID, {"keys": [scene.key.as_dict(private=False)]}, dpop=True)
    found = await scene.check(dpop=Dpop())
    assert found.ok
    assert "users-api: DPoP for 1 h" in found.read
    assert "bound to a key of the broker's" in found.read
    assert len(found.members("token")["jkt"]) == 43


async def test_a_server_that_does_not_know_dpop_is_told_so(scene: Scene) -> None:
    scene.server.faults.set(Fault(answer={"token_type": "Bearer"}))
    found = await scene.check(dpop=Dpop())
    assert "The server granted a Bearer token although the request carried a DPoP proof" in found.read


# In the words of the server


async def test_a_refusal_that_nobody_knows_is_said_to_be_unknown_with_the_servers_words(scene: Scene) -> None:
    scene.server.faults.set(
        Fault(status=400, body={"error": "new_error", "error_description": "Something\u202e new\n."})
    )
    found = await scene.check()
    assert "refused with 400 (unknown)" in found.read
    assert 'said "new_error: Something new ."' in found.read
    assert "refused the request with status 400 for a reason that the broker does not know" in found.read


async def test_the_request_id_is_shown_for_whoever_reads_the_servers_log(scene: Scene) -> None:
    scene.server.faults.set(Fault(status=500, headers={"X-Okta-Request-Id": "abc123"}))
    assert "request abc123" in (await scene.check()).read


async def test_every_token_has_its_own_refusal(scene: Scene) -> None:
    tokens = {"users-api": scene.token, "more": TokenSettings(client="okta", scopes=("okta.x.self",))}
    found = await report({"okta": scene.client}, tokens)
    assert [step.status for step in found.steps if step.name == "token"] == ["ok", "failed"]
    assert "more: refused with 400 (scope_refused)" in found.read
