// The reader's own key: in this browser only, for this session or until it is forgotten.

const KEPT = "freetheai-key";

/** Connect the field, the box and the button; returns what gives the key. */
export function connectKey(field, remember, forget, onForget = () => {}) {
  field.value = localStorage.getItem(KEPT) ?? sessionStorage.getItem(KEPT) ?? "";
  remember.checked = localStorage.getItem(KEPT) !== null;
  const keep = () => {
    localStorage.removeItem(KEPT);
    sessionStorage.removeItem(KEPT);
    if (field.value.trim()) (remember.checked ? localStorage : sessionStorage).setItem(KEPT, field.value.trim());
  };
  field.addEventListener("change", keep);
  remember.addEventListener("change", keep);
  forget.addEventListener("click", () => {
    field.value = "";
    remember.checked = false;
    keep();
    onForget();
  });
  return { get: () => field.value.trim(), set: (value) => { field.value = value; keep(); } };
}
