// Small things around forms.

// A button that shows the password beside it.
for (const button of document.querySelectorAll("[data-show]")) {
  const input = document.getElementById(button.getAttribute("aria-controls"));
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
  });
}

// The first field that was refused is where one goes on.
document.querySelector('input[aria-invalid="true"]')?.focus();

// Calls the API as the person who looks. Gives the answer's JSON, if it has one, or throws an Error
// as `send` does.
export async function call(method, path, json, options) {
  let response;
  try {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const headers = body ? { "content-type": "application/json" } : {};
    response = await fetch(path, { method, body, headers, ...options });
  } catch {
    throw new Error("There is no connection. Try again.");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  throw await refusalOf(response);
}

// A key to send something with, so that a second try of the same is the same.
export function newKey() {
  return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`; // without https there is no UUID
}

export async function refusalOf(response) {
  const problem = await response.json().catch(() => ({}));
  const error = new Error(problem.detail ?? "Something broke on our side. Try again.");
  const wait = Number(response.headers.get("retry-after"));
  return Object.assign(error, { status: response.status, wait });
}

// Sends a form without leaving the page. Gives the response, or throws an Error that has the
// sentence for the person who sent it, and the status if there was an answer.
// `data` is sent in place of what the form's fields hold.
export async function send(form, submitter, data) {
  const body = new URLSearchParams(data ?? new FormData(form, submitter));
  let response;
  try {
    response = await fetch(form.action, { method: "POST", body, headers: { "chitter-fragment": "1" } });
  } catch {
    throw new Error("Not sent yet: there is no connection. Try again.");
  }
  if (response.ok) return response;
  if (response.status === 401) {
    location.assign(`${form.dataset.door ?? "/login"}?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  throw await refusalOf(response);
}
