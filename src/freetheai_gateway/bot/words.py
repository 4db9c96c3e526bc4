"""What the desk says: forms and messages, written once."""

from freetheai_gateway.bot.answers import Message, button, content, menu, modal, row, text_display, text_field
from freetheai_gateway.domain.catalogue import Model, ModelKind
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.key_desk.desk import Form, next_check_in
from freetheai_gateway.services.key_desk.ports import Purpose

BUSY = "The gateway is busy right now. Nothing was changed; run the command again in a moment."
OUTDATED = "This is outdated. Run the command again."
ELSEWHERE = "This command works in the server it belongs to, not here."
LOST = "Your key could not be delivered and was revoked. Run the command again for a new one."
HIDDEN = "Your key is hidden. If you did not keep it, run /resetkey."

HIDE = "key:hide"
CLIENT = "key:client"
USE_FIELD, ANSWER_FIELD, EMPTY_FIELD = "use", "answer", "website"

STOPPED = "This was not done: it took too long, or the gateway was restarted. Run the command again."
FAILED = "The gateway failed. Run the command again; if it happens again, tell the operator."
NOT_SHOWN = "Discord did not take the picture. Run the command again."
LONGEST_REASON = 500
NO_CHECK_IN = "No check-in is needed here; your key works without one."

_TITLES = {
    Purpose.SIGN_UP: "Get an API key",
    Purpose.RESET: "Replace your API key",
    Purpose.CHECK_IN: "Check in for today",
}
_CLIENTS = (
    ("python", "OpenAI SDK for Python"),
    ("curl", "curl"),
    ("claude", "Claude Code"),
    ("other", "Any OpenAI-compatible app"),
)


def form(asked: Form) -> Message:
    """Render a form."""
    use = {
        Purpose.SIGN_UP: [text_field(USE_FIELD, "What will you use it for?", least=10, most=500, long=True)],
        Purpose.RESET: [text_field(USE_FIELD, "Why do you replace your key?", least=3, most=300, long=True)],
        Purpose.CHECK_IN: [],
    }[asked.purpose]
    question = (
        [text_display(asked.question), text_field(ANSWER_FIELD, "Your answer", least=1, most=60)]
        if asked.question
        else []
    )
    empty = text_field(EMPTY_FIELD, "Website", description="Leave this empty")
    return modal(f"{asked.purpose.value}:{asked.nonce}", _TITLES[asked.purpose], [*use, *question, empty])


def checked_in(interaction_id: str) -> str:
    """Tell a member that their key works today, and when it wants the next check-in."""
    return f"You are checked in for today (UTC). The next check-in opens {next_check_in(interaction_id)}."


def try_again(text: str, purpose: Purpose) -> tuple[str, list[Message]]:
    """Say no, with the button that gives a new form: a form may not follow on a form."""
    return text, [row(button(f"again:{purpose.value}", "Try again", 1))]


def key_message(secret: str, offer: Offer, model: Model | None) -> Message:
    """Show a key to its owner, once."""
    site = offer.site
    example = f"\nA model that works: `{model.id}`" if model is not None else ""
    text = (
        f"Your key for {site.name}, shown once. Keep it to yourself.\n```\n{secret}\n```\n"
        f"Base URL: `{site.public_url}/v1`{example}\nHow to use it: {site.public_url}/docs"
    )
    rows = [row(menu(CLIENT, "Set up my client", _CLIENTS)), row(button(HIDE, "Hide key"))]
    return content(text, rows)


def client_setup(client: str, offer: Offer, model: Model | None) -> str:
    """Explain how a client is set up; the key is never repeated."""
    base = f"{offer.site.public_url}/v1"
    name = model.id if model is not None else "MODEL"
    if client == "python":
        return (
            f'```python\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="{base}", api_key="YOUR_KEY")\n'
            f'reply = client.chat.completions.create(\n    model="{name}",\n'
            '    messages=[{"role": "user", "content": "Say hello."}],\n)\nprint(reply.choices[0].message.content)\n```'
        )
    if client == "curl":
        return (
            f'```sh\ncurl {base}/chat/completions -H "Authorization: Bearer YOUR_KEY" '
            f'-H "Content-Type: application/json" '
            f'-d \'{{"model":"{name}","messages":[{{"role":"user","content":"Say hello."}}]}}\'\n```'
        )
    if client == "claude":
        return (
            f"```sh\nexport ANTHROPIC_BASE_URL={offer.site.public_url}\nexport ANTHROPIC_AUTH_TOKEN=YOUR_KEY\n"
            f"export ANTHROPIC_MODEL={name}\nclaude\n```"
        )
    more = f"More: {offer.site.public_url}/docs"
    return f"Base URL `{base}`, your key as the API key, and a model such as `{name}`. {more}"


def model_that_works(offer: Offer, tier_level: int) -> Model | None:
    """Find a chat model that a member of this tier can call now."""
    for model in offer.catalogue.models.values():
        is_open = not model.retired and model.kind is ModelKind.CHAT and model.tier_level <= tier_level
        if is_open and offer.is_set_up(model):
            return model
    return None
