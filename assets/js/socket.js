// The WebSocket to /api/v1/streaming. It reconnects by itself and misses nothing: each subscription names the last
// number that was received, and the server replays the events after it.

// All in ms.
const PING_INTERVAL = 25_000;
const IDLE_TIMEOUT = 60_000; // without a frame for this long, the connection counts as dead
const BACKOFF_MIN = 500;
const BACKOFF_MAX = 15_000;

// Opens the socket. `subscriptions` returns one or several subscriptions, and is called whenever the socket opens;
// `onEvent` receives each event, in order; `onConnection` receives true or false. Returns a function that sends a
// frame.
export function connect({ subscriptions, onEvent, onConnection }) {
  let backoff = BACKOFF_MIN;
  let lastReceived = 0;
  let socket, timer;

  const send = (frame) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  };

  function open() {
    clearTimeout(timer);
    close();
    const url = new URL("/api/v1/streaming?format=html", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    lastReceived = Date.now();
    socket = new WebSocket(url);
    socket.onopen = () => {
      for (const subscription of [subscriptions()].flat()) send({ type: "subscribe", ...subscription });
    };
    socket.onclose = reconnect;
    socket.onmessage = ({ data }) => {
      lastReceived = Date.now();
      const event = JSON.parse(data);
      if (event.event === "subscribed") {
        backoff = BACKOFF_MIN;
        onConnection(true);
      }
      onEvent(event);
    };
  }

  // Waits longer after each failure, with jitter, so that not all clients reconnect to a restarted server at once.
  function reconnect() {
    onConnection(false);
    timer = setTimeout(open, backoff * (0.5 + Math.random()));
    backoff = Math.min(backoff * 2, BACKOFF_MAX);
  }

  // Closes without waiting for the close event, which may take minutes on a dead connection.
  function close() {
    if (!socket) return;
    socket.onclose = socket.onmessage = null;
    socket.close();
  }

  setInterval(() => {
    if (Date.now() - lastReceived > IDLE_TIMEOUT) open();
    else send({ type: "ping" });
  }, PING_INTERVAL);
  addEventListener("online", open);
  addEventListener("offline", () => {
    close();
    reconnect();
  });
  addEventListener("pageshow", ({ persisted }) => persisted && open()); // restored by the back button

  open();
  return send;
}
