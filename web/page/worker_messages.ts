// worker_messages.ts: what page and service worker say to each other, in one place, used by both. The two may be of
// different versions of the site: a message keeps its meaning for ever, or gets another name.

/** Page to a waiting worker, with a port: take over if no other page is open. The answer is true or false. */
export const TAKE_OVER = "take over";
