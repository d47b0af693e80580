// Relative times: the text of each <time datetime>, as "3m", kept up to date. The server renders the same text.

const minute = 60, hour = 60 * minute, day = 24 * hour, week = 7 * day;

function ago(then, now = new Date()) {
  const seconds = Math.max(0, (now - then) / 1000);
  if (seconds < minute) return "now";
  if (seconds < hour) return `${Math.floor(seconds / minute)}m`;
  if (seconds < day) return `${Math.floor(seconds / hour)}h`;
  if (seconds < week) return `${Math.floor(seconds / day)}d`;
  const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year });
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });

// Updates all times inside `root`, in the reader's time zone. With `data-exact` the text is the date and time, with
// `data-clock` the time of day.
export function updateTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const then = new Date(time.dateTime);
    const text =
      "exact" in time.dataset ? exact.format(then)
      : "clock" in time.dataset ? clock.format(then)
      : ago(then);
    if (time.textContent !== text) time.textContent = text;
    if (!("exact" in time.dataset)) time.title = exact.format(then);
  }
}

updateTimes();
setInterval(() => updateTimes(), 15_000);
document.addEventListener("visibilitychange", () => document.hidden || updateTimes());
