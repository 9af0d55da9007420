/*
 * interrupt.h: Ctrl-C for commands that write a file: the signal is only noted, the command looks between two steps and
 * removes its partial file. A second Ctrl-C ends the program at once.
 */
#ifndef TERCET_NATIVE_INTERRUPT_H
#define TERCET_NATIVE_INTERRUPT_H

/* From now on SIGINT, SIGTERM and SIGHUP are noted. */
void interrupt_watch(void);
/* From now on they end the program again: for what follows when nothing is left to remove. */
void interrupt_unwatch(void);
/* 1 after one of them came. */
int interrupt_came(void);

#endif
