// One WebSocket to /api/v1/streaming that comes back by itself and misses nothing: whoever listens
// says the last number it saw, and the server replays what came after.

const PING = 25_000; // how often we ask whether the other end is still there
const SILENCE = 60_000; // after this we believe that it is not
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;

// Calls `hear` with each event, in order, and `state` with whether we are connected. `subscribe` is
// asked what to subscribe to each time that the socket opens: to one stream, or to several. Gives a function that says something.
export function listen({ subscribe, hear, state }) {
  let pause = FIRST_PAUSE;
  let heard = 0;
  let socket, timer;

  const say = (what) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(what));
  };

  function open() {
    clearTimeout(timer);
    drop();
    const url = new URL("/api/v1/streaming?format=html", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    heard = Date.now();
    socket = new WebSocket(url);
    socket.onopen = () => {
      for (const wanted of [subscribe()].flat()) say({ type: "subscribe", ...wanted });
    };
    socket.onclose = reopen;
    socket.onmessage = ({ data }) => {
      heard = Date.now();
      const event = JSON.parse(data);
      if (event.event === "subscribed") {
        pause = FIRST_PAUSE;
        state(true);
      }
      hear(event);
    };
  }

  // A growing pause, a little different for everyone, so that a restarted server is not run over.
  function reopen() {
    state(false);
    timer = setTimeout(open, pause * (0.5 + Math.random()));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }

  // A dead connection may take minutes to say so: we do not wait for its word.
  function drop() {
    if (!socket) return;
    socket.onclose = socket.onmessage = null;
    socket.close();
  }

  setInterval(() => {
    if (Date.now() - heard > SILENCE) open();
    else say({ type: "ping" });
  }, PING);
  addEventListener("online", open);
  addEventListener("offline", () => {
    drop();
    reopen();
  });
  addEventListener("pageshow", ({ persisted }) => persisted && open()); // back by the back button

  open();
  return say;
}
