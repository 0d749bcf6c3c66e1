import json

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from broker.keys.local import LocalSigner, seal
from broker.keys.parse import parse
from broker.keys.rotation import KeyRotation, is_same_key
from key_forms import jwk, native


def signer(number: int, kid: str | None = "k") -> LocalSigner:
    """A new one of the same key for the same number, as a file that was read again gives it."""
    return seal(parse(json.dumps(jwk(native("P-256", number))).encode()), algorithm="ES256", kid=kid)


A, B, C = (signer(number, f"k{number}") for number in range(3))


def test_without_a_key_there_is_none_to_use() -> None:
    assert KeyRotation[LocalSigner]().signers == ()


def test_the_first_key_has_nothing_to_fall_back_on() -> None:
    assert KeyRotation[LocalSigner]().replace(A).signers == (A,)


def test_a_replaced_key_stays_right_behind_its_replacement_until_that_is_accepted() -> None:
    rotation = KeyRotation(A).accepted(A).replace(B)
    assert rotation.signers == (B, A)
    assert rotation.accepted(B).signers == (B,)


def test_that_the_old_key_is_accepted_once_more_changes_nothing() -> None:
    assert KeyRotation(A).replace(B).accepted(A).accepted(A).signers == (B, A)


def test_of_two_that_came_before_the_one_that_was_accepted_stays() -> None:
    assert KeyRotation(A).accepted(A).replace(B).replace(C).signers == (C, A)
    assert KeyRotation(A).replace(B).accepted(A).replace(C).signers == (C, A)


def test_key_accepted_last_outlives_one_accepted_before() -> None:
    assert KeyRotation(A).accepted(A).replace(B).replace(A).accepted(B).replace(C).signers == (C, B)


def test_of_two_that_were_never_accepted_the_last_one_stays() -> None:
    assert KeyRotation(A).replace(B).replace(C).signers == (C, B)


def test_a_key_that_is_put_back_has_to_be_accepted_once_more() -> None:
    rotation = KeyRotation(A).accepted(A).replace(B).replace(A)
    assert rotation.signers == (A, B)
    assert rotation.accepted(A).signers == (A,)


def test_a_key_that_is_put_back_is_the_signer_that_it_was() -> None:
    again = signer(0, "k0")
    assert again is not A
    assert KeyRotation(A).replace(B).replace(again).current is A


def test_a_key_that_is_only_written_in_another_way_is_not_new() -> None:
    rotation = KeyRotation(A).replace(B)
    assert rotation.replace(signer(1, "k1")) is rotation


def test_another_kid_is_another_key_to_the_server() -> None:
    renamed = signer(0, "renamed")
    assert not is_same_key(A, renamed)
    assert KeyRotation(A).replace(renamed).signers == (renamed, A)


def test_what_is_accepted_elsewhere_says_nothing_here() -> None:
    rotation = KeyRotation(A).replace(B)
    assert rotation.accepted(C) is rotation
    assert KeyRotation[LocalSigner]().accepted(C).signers == ()


KEYS = st.integers(0, 4)


class Rotations(RuleBasedStateMachine):
    """Replaces and accepts keys in any order and compares the rotation with a simpler model.

    `history` holds all keys in the order of arrival; `accepted` those accepted since they arrived.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rotation: KeyRotation[LocalSigner] = KeyRotation()
        self.held: int | None = None
        self.spare: int | None = None
        self.known_good: int | None = None

    @rule(number=KEYS)
    def swap(self, number: int) -> None:
        self.rotation = self.rotation.replace(signer(number, f"k{number}"))
        if number == self.held:
            return
        before = [one for one in (self.held, self.spare) if one is not None and one != number]
        good = [one for one in before if one == self.known_good]
        self.held, self.spare = number, next(iter(good or before), None)
        if self.known_good not in (self.held, self.spare):
            self.known_good = None

    @rule(number=KEYS)
    def accept(self, number: int) -> None:
        """A server that accepts what it was not shown is as good as one that answers late."""
        self.rotation = self.rotation.accepted(signer(number, f"k{number}"))
        if number == self.held:
            self.spare, self.known_good = None, number
        elif number == self.spare:
            self.known_good = number

    @invariant()
    def the_new_key_first_and_one_behind_it_at_most(self) -> None:
        expected = [f"k{one}" for one in (self.held, self.spare) if one is not None]
        assert [one.kid for one in self.rotation.signers] == expected

    @invariant()
    def no_key_twice(self) -> None:
        assert len(self.rotation.signers) < 2 or not is_same_key(*self.rotation.signers)

    @invariant()
    def a_key_that_the_server_takes_is_never_lost_to_one_that_it_has_not_taken(self) -> None:
        proven = self.rotation.proven and self.rotation.proven.kid
        assert proven == (None if self.known_good is None else f"k{self.known_good}")
        assert self.rotation.proven is None or self.rotation.proven in self.rotation.signers


TestRotations = Rotations.TestCase


@given(st.lists(KEYS, min_size=1))
def test_once_a_key_was_accepted_no_sequence_of_files_leaves_the_broker_without_it(numbers: list[int]) -> None:
    rotation = KeyRotation(A).accepted(A)
    for number in numbers:
        rotation = rotation.replace(signer(number, f"k{number}"))
        assert A in rotation.signers
