// The board fetches itself anew twice a minute while somebody looks at it; a day of a bar says more when it is pointed at.

const board = document.getElementById("board");
const EVERY_MS = 30_000;

/** Put a fresh board in place of the old one: what was opened stays open, and only a changed verdict is announced. */
function replaceBoard(text) {
  const fresh = document.createElement("template");
  fresh.innerHTML = text;
  for (const { id } of board.querySelectorAll("details[open]")) {
    fresh.content.getElementById(id)?.setAttribute("open", "");
  }
  const verdict = board.querySelector("#verdict");
  const newVerdict = fresh.content.querySelector("#verdict");
  verdict.parentElement.className = newVerdict.parentElement.className;
  if (verdict.textContent !== newVerdict.textContent) verdict.textContent = newVerdict.textContent;
  verdict.nextElementSibling.replaceWith(newVerdict.nextElementSibling);
  board.querySelector("#prefixes").replaceWith(fresh.content.querySelector("#prefixes"));
}

async function refresh() {
  if (document.hidden || board.querySelector("#prefixes").contains(document.activeElement)) return;
  try {
    const answer = await fetch(board.dataset.refresh, { headers: { accept: "text/html" } });
    if (answer.ok) replaceBoard(await answer.text());
  } catch {
    // The server is away; the next turn tries again, and the time on the board says how old it is.
  }
}

function tell(event) {
  const day = event.target.closest(".days rect");
  const place = day?.closest("li")?.querySelector(".told");
  if (place) place.textContent = day.querySelector("title").textContent;
}

board.addEventListener("pointerover", tell);
board.addEventListener("pointerdown", tell);
setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
