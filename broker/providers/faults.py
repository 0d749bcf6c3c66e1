"""What goes wrong without a refusal: in the metadata, in a success, in our own files."""

from collections.abc import Mapping

from broker.core.diagnosis import Act, Diagnosis
from broker.core.errors import DiscoveryFault, ReplyFault
from broker.providers.rows import Row

DISCOVERY: Mapping[DiscoveryFault, Row] = {
    "not_found": Row(
        reason="discovery_failed",
        act=Act.SERVER,
        cause="The issuer serves no metadata where RFC 8414 and OpenID Connect Discovery put it.",
        fix="Correct clients.<name>.issuer, path included, or write clients.<name>.token_endpoint instead if the server"
        " has no metadata.",
    ),
    "not_json": Row(
        reason="discovery_failed",
        act=Act.SERVER,
        cause="What the issuer serves as its metadata is not a JSON object.",
        fix="Open that URL from this machine: a captive portal, a login or a maintenance page has to let it through; if"
        " it is the server itself, correct clients.<name>.issuer or write clients.<name>.token_endpoint instead.",
    ),
    "issuer_mismatch": Row(
        reason="issuer_mismatch",
        act=Act.OPERATOR,
        cause="The metadata names another issuer than the configured one, so its token endpoint is not trusted"
        " (RFC 8414 section 3.3).",
        fix="Write clients.<name>.issuer exactly as the server's metadata does: scheme, host, path and trailing slash.",
    ),
    "no_token_endpoint": Row(
        reason="discovery_failed",
        act=Act.OPERATOR,
        cause="The issuer's metadata names no token endpoint.",
        fix="Check that clients.<name>.issuer is an OAuth 2.0 authorization server, or write"
        " clients.<name>.token_endpoint instead.",
    ),
    "foreign_host": Row(
        reason="token_endpoint_moved",
        act=Act.OPERATOR,
        cause="The metadata names a token endpoint on another host than the issuer's, where an assertion could be"
        " misused.",
        fix="If that host is right, write the endpoint's URL as clients.<name>.token_endpoint; if not, tell whoever"
        " runs the authorization server.",
    ),
    "moved": Row(
        reason="token_endpoint_moved",
        act=Act.OPERATOR,
        cause="The metadata names a token endpoint with another scheme, host or port than before, where an assertion"
        " could be misused.",
        fix="If the move is announced, restart the broker; if not, ask whoever runs the authorization server.",
    ),
    "insecure": Row(
        reason="discovery_failed",
        act=Act.OPERATOR,
        cause="The metadata names a token endpoint that is not https.",
        fix="Have the server's own URL set to https; where plain http is really meant, set clients.<name>.allow_http to"
        " true.",
    ),
}

REPLY: Mapping[ReplyFault, Row] = {
    "late": Row(
        reason="timeout",
        act=Act.SERVER,
        cause="The answer took so long that the token in it had expired.",
        fix="Have the server grant tokens that live longer than it takes to answer, or find out why it is so slow.",
    ),
    "too_big": Row(
        reason="bad_answer",
        act=Act.SERVER,
        cause="The answer is far too large for a token.",
        fix="See what really answers at clients.<name>.token_endpoint or clients.<name>.issuer: a portal or a download"
        " page is no token endpoint.",
    ),
    "head_too_big": Row(
        reason="bad_answer",
        act=Act.SERVER,
        cause="The head of the answer is larger than the broker reads.",
        fix="Ask whoever runs the authorization server, or a gateway before it, which header grows so large; cookies"
        " and security policies often do, and a token request needs neither.",
    ),
    "not_json": Row(
        reason="bad_answer",
        act=Act.SERVER,
        cause="The answer is not the JSON object that RFC 6749 section 5.1 asks for.",
        fix="See what really answers at clients.<name>.token_endpoint or clients.<name>.issuer: often a login page, a"
        " captive portal or a gateway stands there.",
    ),
    "redirect": Row(
        reason="redirected",
        act=Act.SERVER,
        cause="The token endpoint answered with a redirect, which is never followed with an assertion.",
        fix="Write the final address as clients.<name>.token_endpoint, or correct clients.<name>.issuer (https, host,"
        " path).",
    ),
    "access_token": Row(
        reason="bad_answer",
        act=Act.SERVER,
        cause="The server answered with success but without a usable access_token.",
        fix="Check that clients.<name>.token_endpoint or clients.<name>.issuer is an OAuth 2.0 server, and ask whoever"
        " runs it why the token is missing.",
    ),
    "token_characters": Row(
        reason="bad_answer",
        act=Act.OPERATOR,
        cause="The access_token contains a space or a character outside printable ASCII, so it cannot be sent as"
        " Authorization: Bearer (RFC 6750 section 2.1).",
        fix="Ask whoever runs the authorization server to issue tokens of printable ASCII characters without spaces.",
    ),
    "token_type": Row(
        reason="bad_answer",
        act=Act.OPERATOR,
        cause="The server granted a token of a type other than Bearer.",
        fix="Have Bearer tokens enabled for this client in the authorization server's console.",
    ),
    "dpop": Row(
        reason="dpop_required",
        act=Act.OPERATOR,
        cause="The application requires DPoP: its tokens are bound to a key and are useless as Bearer tokens.",
        fix='Set clients.<name>.dpop to true, or clear "Require DPoP" in the application\'s settings at the'
        " authorization server.",
    ),
    "bearer": Row(
        reason="bad_answer",
        act=Act.OPERATOR,
        cause="The server granted a Bearer token although the request carried a DPoP proof: it does not know DPoP, or"
        " the client is not registered for it.",
        fix="Turn DPoP on for this client in the authorization server's console, or leave out clients.<name>.dpop.",
    ),
    "expired": Row(
        reason="bad_answer",
        act=Act.SERVER,
        cause="The server granted a token that had already expired: its expires_in is negative.",
        fix="Ask whoever runs the authorization server, or a cache before it, why it grants tokens that have expired;"
        " a wrong clock there is a common reason.",
    ),
    "expires_in": Row(
        reason="bad_answer",
        act=Act.OPERATOR,
        cause="The server says how long the token lives in a form that is not a number of seconds.",
        fix="Ask whoever runs the authorization server to correct expires_in; a server may leave it out, then"
        " tokens.<name>.assume_lifetime counts.",
    ),
}

KEY_FILE = Row(
    reason="key_file",
    act=Act.KEY,
    cause="{message}",
    fix="Restore or replace the file named in clients.<name>.private_keys; it is read again every few seconds and used"
    " as soon as it is good.",
)

SECRET_FILE = Row(
    reason="secret_file",
    act=Act.OPERATOR,
    cause="{message}",
    fix="Restore or replace that file; it is read again for the next attempt.",
)

UNEXPECTED = Row(
    reason="unknown",
    act=Act.OPERATOR,
    cause="The token request failed in a way that the broker has no diagnosis for.",
    fix="Read the words beside this; if they do not help, report them as a defect of token-broker.",
)

DEFECT = Row(
    reason="defect",
    act=Act.SERVER,
    cause="A defect of token-broker ended the attempt: {where}.",
    fix="Report this line as a defect of token-broker; the broker keeps trying, and other tokens are not affected.",
)

#: Granted, but less than was asked for: no failure of the request, and one of whoever needs the rest.
REDUCED = Row(
    reason="scope_refused",
    act=Act.OPERATOR,
    cause="The server granted the token without some of the scopes that were asked for, and says no word about them.",
    fix="Have the missing scopes granted to the client in the authorization server's console, or take them out of"
    " tokens.<name>.scopes.",
)

#: A difference that has not cost a token yet.
CLOCKS_APART = Row(
    reason="clock",
    act=Act.CLOCK,
    cause="This machine's clock and the server's differ.",
    fix="Synchronise the node's clock (NTP, chrony); up to clients.<name>.max_clock_offset the broker corrects the"
    " times that it sends, beyond it does not.",
)

#: Nothing is refused for it yet, or perhaps it is: servers differ.
CERTIFICATE_ENDS = Row(
    reason="key_expired",
    act=Act.KEY,
    cause="The certificate of the key has run out, or is about to.",
    fix="Have a new certificate issued, register it at the server, and replace file and certificate_file in"
    " clients.<name>.private_keys.",
)

#: What is shown for a token before its first attempt has ended.
STARTING = Diagnosis(
    reason="starting",
    act=Act.SERVER,
    cause="The first token request has not ended yet.",
    fix="Ask again in a moment, or let the request wait with ?wait=5s.",
)
