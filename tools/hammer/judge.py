"""What the client's log says of the limits, and the database of the records."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage
from tools.hammer.clients import Answer


def most_surely_inside(answers: Sequence[Answer], window_s: float) -> int:
    """Find the most requests that were admitted in one window, wherever it begins.

    When a request was admitted is known to lie between its sending and its answer: only those count that lie in the
    window whole.
    """
    by_end = sorted(answers, key=lambda answer: answer.answered_at)
    starts = sorted(answer.sent_at for answer in answers)
    most = 0
    for begin in starts:
        inside = sum(
            answer.sent_at >= begin
            for answer in by_end[
                bisect_left(by_end, begin, key=lambda answer: answer.answered_at) : bisect_left(
                    by_end, begin + window_s, key=lambda answer: answer.answered_at
                )
            ]
        )
        most = max(most, inside)
    return most


def per_window(answers: Sequence[Answer], window_s: float, seconds: float) -> list[int]:
    """Count the answers of each whole window, one after the other, by when they were sent."""
    first = min(answer.sent_at for answer in answers)
    counts = Counter(int((answer.sent_at - first) // window_s) for answer in answers)
    return [counts[number] for number in range(int(seconds // window_s))]


async def count_records(database: str, account_id: str, answers: Sequence[Answer]) -> tuple[int, int]:
    """Count the answers without a record, and the successes that the sums hold for the account."""
    opened = await Database.open(StoreSettings(url=database), create=False)
    try:
        usage = SqlUsage(opened)
        missing = 0
        for answer in answers:
            record = await usage.find(answer.request_id)
            missing += record is None or not record.success
        rows = await usage.report("account")
        return missing, sum(row.successes for row in rows if row.account_id == account_id)
    finally:
        await opened.close()
