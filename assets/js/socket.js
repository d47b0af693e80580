// One WebSocket to /api/v1/streaming that comes back by itself and misses nothing: it says the last
// number it saw, and the server replays what came after.

// Calls `hear` with each event, in order. `seq` is the number of the last change that the page shows.
export function listen(seq, hear) {
  let pause = 500;
  let last = seq;

  const open = () => {
    const url = new URL("/api/v1/streaming?format=html", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ type: "subscribe", stream: "public", since: last }));
    });
    socket.addEventListener("message", ({ data }) => {
      const event = JSON.parse(data);
      if (event.event === "subscribed") pause = 500;
      if (typeof event.seq === "number") last = event.seq;
      hear(event);
    });
    socket.addEventListener("close", () => {
      // A growing pause, a little different for everyone, so that a restarted server is not run over.
      setTimeout(open, pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, 15_000);
    });
    // A phone that wakes up does not wait for a time-out.
    addEventListener("online", () => socket.close(), { once: true });
  };

  open();
}
