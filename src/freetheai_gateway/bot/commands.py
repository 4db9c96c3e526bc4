"""The commands as Discord is told them: one list, sent whole by `freetheai discord sync`."""

Command = dict[str, object]

_SUB_COMMAND, _STRING, _INTEGER, _BOOLEAN, _USER, _ATTACHMENT = 1, 3, 4, 5, 6, 11
_WHO: Command = {"type": _USER, "name": "member", "description": "Whose account", "required": True}


_GENERATE: Command = {
    "type": 1,
    "name": "generate",
    "description": "Make a picture",
    "options": [
        {
            "type": _STRING,
            "name": "prompt",
            "description": "What to draw",
            "required": True,
            "min_length": 1,
            "max_length": 1000,
        },
        {
            "type": _STRING,
            "name": "model",
            "description": "Which model draws",
            "autocomplete": True,
            "max_length": 100,
        },
        {
            "type": _STRING,
            "name": "size",
            "description": "Size",
            "choices": [
                {"name": "Square", "value": "1024x1024"},
                {"name": "Wide", "value": "1536x1024"},
                {"name": "Tall", "value": "1024x1536"},
            ],
        },
        {"type": _ATTACHMENT, "name": "reference", "description": "A picture to start from"},
        {"type": _BOOLEAN, "name": "public", "description": "Show it to everybody here"},
    ],
}


def commands(*, with_check_in: bool = False, with_pictures: bool = False) -> list[Command]:
    """List every command, in the order that members see."""
    check_in = [_command("checkin", "Check in for today; your key needs it once a day")] if with_check_in else []
    return [
        _command("signup", "Get your API key"),
        _command("resetkey", "Replace your API key by a new one"),
        *check_in,
        _command(
            "models",
            "Browse the models",
            {
                "type": _STRING,
                "name": "search",
                "description": "Part of a name",
                "autocomplete": True,
                "max_length": 100,
            },
        ),
        _command("tiers", "What each tier allows, and which is yours"),
        _command("tiermodels", "Which models your tier opens"),
        _command("stats", "What your account has used"),
        _command("modelstats", "The most used models of the last 30 days"),
        _command(
            "leaderboard",
            "The members who use this most",
            {"type": _BOOLEAN, "name": "listed", "description": "Only say whether you want to be on it"},
        ),
        *([_GENERATE] if with_pictures else []),
        _command(
            "account",
            "For operators: look after an account",
            {"type": _SUB_COMMAND, "name": "show", "description": "Show an account", "options": [_WHO]},
            {
                "type": _SUB_COMMAND,
                "name": "suspend",
                "description": "Refuse an account's requests",
                "options": [
                    _WHO,
                    {"type": _STRING, "name": "reason", "description": "The member is told", "max_length": 300},
                ],
            },
            {"type": _SUB_COMMAND, "name": "restore", "description": "Serve an account again", "options": [_WHO]},
            {
                "type": _SUB_COMMAND,
                "name": "tier",
                "description": "Set an account's tier; without a level roles decide again",
                "options": [
                    _WHO,
                    {"type": _INTEGER, "name": "level", "description": "The tier's level", "min_value": 1},
                ],
            },
        ),
    ]


def _command(name: str, description: str, *options: Command) -> Command:
    return {"type": 1, "name": name, "description": description, "options": list(options)}
