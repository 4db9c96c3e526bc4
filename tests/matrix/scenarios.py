"""The scenarios: what is asked, what the upstream answers. What must come of it follows from the two."""

from dataclasses import dataclass, field

from freetheai_gateway.testing.voices import Answer, Call, Ending, Spent
from tests.matrix.ask import PICTURE, Ask, Result, Tool, assistant, user

HELLO = "Grüß dich, 東京 🌸! Everything is fine here."
OSLO, ROME = Call("get_weather", {"city": "Oslo"}, "call_0001"), Call("get_weather", {"city": "Rome"}, "call_0002")
TIME = Call("get_time", {}, "call_0003")
_CITY: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "A city."}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool("get_weather", "Tells the weather.", _CITY)
CLOCK = Tool("get_time", "Tells the time.", {"type": "object", "properties": {}})
QUESTION = user("What is the weather in Oslo?")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the matrix; `docs/dialects.md` has it under the same name."""

    name: str
    ask: Ask
    answer: Answer = field(default_factory=lambda: Answer(HELLO))


SCENARIOS = (
    Scenario("text", Ask((user("Say hello."),))),
    Scenario(
        "multi-turn",
        Ask((user("My name is Ada."), assistant("Hello, Ada."), user("What is my name?"))),
        Answer("Ada."),
    ),
    Scenario("system", Ask((user("Say hello."),), system="Answer in German.")),
    Scenario("image in", Ask((user("What is this?", picture=PICTURE),)), Answer("One pixel.")),
    Scenario("one tool", Ask((QUESTION,), tools=(WEATHER,)), Answer(calls=(OSLO,))),
    Scenario(
        "parallel tools",
        Ask((user("Weather in Oslo and Rome, and the time?"),), tools=(WEATHER, CLOCK)),
        Answer("Let me look.", calls=(OSLO, ROME, TIME)),
    ),
    Scenario(
        "tool result",
        Ask(
            (
                user("Weather in Oslo and Rome?"),
                assistant("Let me look.", calls=(OSLO, ROME)),
                user("Be brief.", results=(Result(OSLO, "Sunny."), Result(ROME, "Rain."))),
            ),
            tools=(WEATHER,),
        ),
        Answer("Sun in Oslo, rain in Rome."),
    ),
    Scenario(
        "tool result with image",
        Ask(
            (QUESTION, assistant("", calls=(OSLO,)), user("", results=(Result(OSLO, "See the map.", PICTURE),))),
            tools=(WEATHER,),
        ),
        Answer("Sunny."),
    ),
    Scenario(
        "failed tool",
        Ask(
            (QUESTION, assistant("", calls=(OSLO,)), user("", results=(Result(OSLO, "No network.", failed=True),))),
            tools=(WEATHER,),
        ),
        Answer("I could not find out."),
    ),
    Scenario("forced tool", Ask((QUESTION,), tools=(WEATHER, CLOCK), forced="get_weather"), Answer(calls=(OSLO,))),
    Scenario("structured output", Ask((QUESTION,), forecast=True), Answer('{"city":"Oslo","degrees":-3}')),
    Scenario(
        "stop sequence",
        Ask((user("Count."),), stop=("END",)),
        Answer("1 2 3 ", ending=Ending.STOP_SEQUENCE, stop_sequence="END"),
    ),
    Scenario("length stop", Ask((user("Count."),), max_tokens=16), Answer("1 2 3", ending=Ending.LENGTH)),
    Scenario("refusal", Ask((user("Do evil."),)), Answer("I will not do that.", ending=Ending.REFUSED)),
    Scenario("safety stop", Ask((user("Do evil."),)), Answer(ending=Ending.BLOCKED)),
    Scenario(
        "usage with cached tokens",
        Ask((user("Say hello."),)),
        Answer("Hello.", spent=Spent(100, 20, cached_tokens=75, reasoning_tokens=8)),
    ),
    Scenario(
        "usage with a written cache",
        Ask((user("Say hello."),)),
        Answer("Hello.", spent=Spent(100, 20, cached_tokens=60, cache_written_tokens=30)),
    ),
    Scenario("cut in a call", Ask((QUESTION,), tools=(WEATHER,)), Answer("So", calls=(OSLO,), ending=Ending.LENGTH)),
)
