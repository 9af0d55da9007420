/*
 * interrupt.h: Ctrl-C. For commands that write a file: the signal is only noted, the command looks between two steps and
 * removes its partial file. A second Ctrl-C ends the program at once.
 */
#ifndef TERCET_NATIVE_INTERRUPT_H
#define TERCET_NATIVE_INTERRUPT_H

#include "tercet.h"

/* From now on SIGINT, SIGTERM and SIGHUP are noted. */
void interrupt_watch(void);
/* From now on they end the program again: for what follows when nothing is left to remove. */
void interrupt_unwatch(void);
/* The first Ctrl-C from now on is noted and stops what this session does, the second ends the program. With NULL the first
 * does: the session is about to go, or nothing runs that could be stopped alone. Forgets what came before. */
void interrupt_cancels(tercet_session *session);
/* 1 after one of them came. */
int interrupt_came(void);

#endif
