"""What is on offer: finding a model by what a client wrote, tiers and limits of an account."""

import pytest

from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.domain.catalogue import Alias, ModelKind
from freetheai_gateway.domain.limits import UNLIMITED
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.services.directory import Offer, Site
from freetheai_gateway.services.ports import Readiness
from freetheai_gateway.testing.offers import REGULAR, STARTER, chat_model, make_offer
from freetheai_gateway.testing.ports import FakeProvider


def _refusal(offer: Offer, name: str) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        offer.find_model(name, ModelKind.CHAT)
    assert caught.value.param == "model"
    return caught.value


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (
            "glm/glm5.1",
            'unknown aliased model "glm/glm5.1". Did you mean glm/glm-5.1? All models: https://ai.example.org/models',
        ),
        (
            "x",
            'unknown aliased model "x". Did you mean a/x or b/x? All models: https://ai.example.org/models',
        ),
        ("zzz", 'unknown aliased model "zzz". All models: https://ai.example.org/models'),
    ],
)
def test_model_when_unknown_then_near_ones_are_named(written: str, words: str) -> None:
    """The words of the contract."""
    error = _refusal(make_offer(chat_model(), chat_model("a/x"), chat_model("b/x")), written)
    assert (error.message, error.code, error.status) == (words, "model_not_found", 400)


def test_model_when_retired_then_its_successor_is_named() -> None:
    """With one and without."""
    offer = make_offer(
        chat_model("old/a", retired=True, replaced_by="glm/glm-5.1"), chat_model("old/b", retired=True), chat_model()
    )
    error = _refusal(offer, "old/a")
    assert (error.message, error.code) == ("old/a was retired. Use glm/glm-5.1 instead.", "model_retired")
    assert _refusal(offer, "old/b").message == "old/b was retired."


def test_model_when_of_another_kind_then_it_is_said() -> None:
    """An image model on a chat route."""
    error = _refusal(make_offer(chat_model("img/x", kind=ModelKind.IMAGE)), "img/x")
    assert (error.message, error.code) == ("img/x is not a chat model.", "model_not_supported")


def test_model_when_an_alias_names_it_then_it_is_the_model_itself() -> None:
    """The reply says which model answered, because the model's id is used from here on."""
    offer = make_offer(aliases=[Alias("claude-*", "glm/glm-5.1")])
    assert offer.find_model("claude-haiku", ModelKind.CHAT).id == "glm/glm-5.1"


def test_limits_are_those_of_the_tier_or_none() -> None:
    """An account without limits still has a tier, to be shown."""
    offer = make_offer()
    plain, high = Account("a", "", 0.0), Account("b", "", 0.0, tier_override=4)
    free = Account("c", "", 0.0, unlimited=True)
    assert offer.limits_of(plain) is STARTER.limits
    assert offer.limits_of(high) is REGULAR.limits
    assert offer.limits_of(free) is UNLIMITED
    assert offer.tier_of(free) is STARTER


@pytest.mark.parametrize(
    ("providers", "for_members", "for_operator"),
    [
        ([], False, False),
        ([FakeProvider(state=Readiness.NOT_CONFIGURED)], False, False),
        ([FakeProvider(state=Readiness.LOADING)], True, True),
        ([FakeProvider()], True, True),
        ([FakeProvider(shared_with_members=False)], False, True),
        ([FakeProvider(shared_with_members=False), FakeProvider("other")], True, True),
        ([FakeProvider(state=Readiness.NOT_CONFIGURED), FakeProvider("other")], True, True),
    ],
)
def test_model_is_set_up_when_any_provider_that_the_caller_may_use_is(
    providers: list[FakeProvider], for_members: bool, for_operator: bool
) -> None:
    """A provider that is not shared counts for accounts without limits only."""
    model = chat_model(upstreams=[Upstream("zai", "a"), Upstream("other", "b")])
    offer = make_offer(model, providers=providers)
    assert offer.is_set_up(model) is for_members
    assert offer.is_set_up(model, unlimited=True) is for_operator


@pytest.mark.parametrize(("invite", "where"), [("", ""), ("https://discord.gg/x", " in https://discord.gg/x")])
def test_site_says_where_commands_can_be_typed(invite: str, where: str) -> None:
    """The end of a sentence, or nothing."""
    assert Site(name="X", public_url="", invite_url=invite).where == where
