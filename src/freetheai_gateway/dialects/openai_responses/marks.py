"""Names under which parts and turns remember how this dialect grouped them, in their `native` fields.

The neutral model has turns where Responses has a flat list of items; the marks let the same items be written again.
They begin with a dot, which no field of a request is let in with.
"""

MESSAGE = ".message"
"""On the first part of a message item: the item's other fields (`type`, `id`, `status`, `phase`)."""

ITEM = ".item"
"""On a call or result that stands for an item of another form (`local_shell_call`, …): that item."""

INSTRUCTIONS = ".instructions"
"""On the turn that `instructions` became."""

INPUT = ".input"
"""On the turn that an `input` of plain text became."""

CONTENT = "content."
"""Before the `kind` of an `Opaque` that is a part of a message's content and not an item."""
