/* What the generator can do. Each opens its sessions, says "ready", waits for a line, does it, and reports. */
#pragma once

/* Send scripts of frames: so many in flight for each session, or at a fixed rate whatever the answers do. */
void run_orders(void);
/* One sender, the others subscribers; a round ends when each of them has all messages of the sender's frame. */
void run_fanout(void);
/* Log in and stay, reading or not, till told to end. */
void run_hold(void);
/* All sessions log in at once, and out. */
void run_logins(void);
