// library.ts: the one place where the page meets the library. Everything else imports from here, so that it is seen at
// a glance that the page uses the public interface and nothing behind it; in the site the library stays in its own folder.

export * from "../src/index.js";
