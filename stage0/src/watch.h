/*
 * Somebody who can still speak when the first process cannot: it reads from the very device that the
 * gadget process serves, and such a read never ends when that process is gone.
 */
#ifndef STAGE0_WATCH_H
#define STAGE0_WATCH_H

/*
 * Starts a process that ends with the handoff. When the gadget process ends before, and the first
 * process does not say so itself within the delay of a failure and 3 s, it ends the boot.
 *
 * To be called behind the start of all other processes: they would keep its pipe open.
 */
int watch_start(void);

#endif
