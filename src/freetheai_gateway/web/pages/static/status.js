// The board fetches itself anew twice a minute while somebody looks at it.

const board = document.getElementById("board");
const EVERY_MS = 30_000;

async function refresh() {
  if (document.hidden || board.contains(document.activeElement)) return;
  try {
    const answer = await fetch(board.dataset.refresh, { headers: { accept: "text/html" } });
    if (answer.ok) board.innerHTML = await answer.text();
  } catch {
    // The server is away; the next turn tries again, and the time on the board says how old it is.
  }
}

setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
