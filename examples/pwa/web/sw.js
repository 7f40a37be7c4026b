// Keeps every file of the app, so that it opens without a network. Another version is another cache.
const CACHE = "field-service-VERSION";
const FILES = [
  "/", "/app.js", "/view.js", "/style.css", "/config.json", "/manifest.webmanifest", "/icon.svg",
  "/icon-maskable.svg", "/icon-192.png", "/icon-512.png", "/onsync/onsync.js", "/onsync/onsync_bg.wasm",
];

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(CACHE).then((cache) => cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })))),
  );
  self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  // Syncing is the engine's: it knows what to do without a network.
  if (event.request.method !== "GET" || url.origin !== location.origin || url.pathname.startsWith("/v1/")) return;
  const wanted = event.request.mode === "navigate" ? "/" : url.pathname;
  event.respondWith(caches.open(CACHE).then(async (cache) => (await cache.match(wanted)) ?? fetch(event.request)));
});
