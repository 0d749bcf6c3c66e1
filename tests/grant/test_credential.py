"""Which key signs, and which file is shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from broker.core.errors import SecretFileError
from broker.core.signer import Signer
from broker.keys.local import seal
from broker.keys.private import PrivateKey
from broker.oauth.key_selection import REFUSED_FOR, KeyOrder, read_assertion


def a_signer(kid: str) -> Signer:
    native = generate_private_key(SECP256R1())
    return seal(PrivateKey(native=native, public=native.public_key()), algorithm="ES256", kid=kid)


SIGNERS = [a_signer(f"k{number}") for number in range(4)]


@dataclass
class Ring:
    """Keys that a test may change."""

    keys: list[Signer]
    taken: list[Signer] = field(default_factory=list)

    def signers(self) -> Sequence[Signer]:
        return self.keys

    def accepted(self, signer: Signer) -> None:
        self.taken.append(signer)


@dataclass
class Scene:
    ring: Ring
    now: float = 0.0

    def __post_init__(self) -> None:
        self.order = KeyOrder(self.ring, lambda: self.now)

    def ask(self, registered: set[Signer]) -> list[Signer]:
        """The keys that one token request shows, in order, to a server that takes those `registered`."""
        tried: dict[Signer, object] = {}
        while (signer := self.order.next(tried)) is not None:
            if signer in registered:
                self.order.refused(tried)
                self.order.accepted(signer)
                return [*tried, signer]
            tried[signer] = None
        return list(tried)


def test_the_preferred_key_is_shown_first_and_the_others_in_their_order() -> None:
    assert Scene(Ring(SIGNERS[:3])).ask(set()) == SIGNERS[:3]


def test_a_key_that_worked_in_place_of_a_refused_one_is_kept_to() -> None:
    scene = Scene(Ring(SIGNERS[:3]))
    assert scene.ask({SIGNERS[1]}) == SIGNERS[:2]
    assert scene.ask({SIGNERS[1]}) == [SIGNERS[1]]


def test_a_refused_key_is_tried_again_after_an_hour() -> None:
    scene = Scene(Ring(SIGNERS[:2]))
    scene.ask({SIGNERS[1]})
    scene.now += REFUSED_FOR
    assert scene.ask(set(SIGNERS)) == [SIGNERS[0]]
    assert scene.ask(set(SIGNERS)) == [SIGNERS[0]]


def test_a_refused_key_is_tried_first_when_somebody_says_that_things_have_changed() -> None:
    scene = Scene(Ring(SIGNERS[:2]))
    scene.ask({SIGNERS[1]})
    scene.order.forget_refusals()
    assert scene.ask(set(SIGNERS)) == [SIGNERS[0]]


def test_a_key_that_is_new_is_tried_first_though_another_one_works() -> None:
    scene = Scene(Ring(SIGNERS[:2]))
    scene.ask({SIGNERS[1]})
    scene.ring.keys = [SIGNERS[2], SIGNERS[1]]
    assert scene.ask({SIGNERS[1], SIGNERS[2]}) == [SIGNERS[2]]


def test_while_all_are_refused_none_is_passed_over() -> None:
    scene = Scene(Ring(SIGNERS[:2]))
    assert scene.ask(set()) == SIGNERS[:2]
    assert scene.ask(set()) == SIGNERS[:2]


def test_the_ring_hears_which_key_was_accepted() -> None:
    scene = Scene(Ring(SIGNERS[:2]))
    scene.ask({SIGNERS[1]})
    assert scene.ring.taken == [SIGNERS[1]]


def test_a_key_is_proven_once_accepted_and_until_it_is_gone() -> None:
    scene = Scene(Ring(SIGNERS[:2]))
    scene.ask({SIGNERS[0]})
    assert [scene.order.is_proven(signer) for signer in SIGNERS[:2]] == [True, False]
    scene.ring.keys = [SIGNERS[1]]
    scene.ask({SIGNERS[1]})
    assert not scene.order.is_proven(SIGNERS[0])


@given(
    st.lists(
        st.tuples(
            st.permutations(SIGNERS).flatmap(lambda keys: st.integers(1, 4).map(lambda count: keys[:count])),
            st.sets(st.sampled_from(SIGNERS)),
            st.floats(0, 2 * REFUSED_FOR),
        ),
        max_size=12,
    )
)
def test_whatever_happens_each_key_is_shown_once_and_one_that_is_registered_is_found(
    story: list[tuple[list[Signer], set[Signer], float]],
) -> None:
    scene = Scene(Ring(SIGNERS[:1]))
    for keys, registered, passed in story:
        scene.ring.keys, scene.now = keys, scene.now + passed
        shown = scene.ask(registered)
        assert len(shown) == len(set(shown)) <= len(keys)
        assert set(shown) <= set(keys)
        assert (shown[-1] in registered) == bool(registered & set(keys))


async def test_an_assertion_file_holds_one_jwt(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("e30.e30.c2ln\n")
    assert await read_assertion(str(file)) == "e30.e30.c2ln"


@pytest.mark.parametrize("content", ["", "secret-secret", "a.b", "a.b.c.d", "a.b.c\nd.e.f", "a.b.c d", '{"a": "b"}'])
async def test_anything_else_is_refused_without_being_shown(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(SecretFileError) as error:
        await read_assertion(str(file))
    assert str(file) in str(error.value)
    assert len(content) < 4 or content not in str(error.value)
