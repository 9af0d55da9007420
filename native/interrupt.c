/*
 * interrupt.c: see interrupt.h.
 */
#define _GNU_SOURCE 1 /* sigaction */
#include "interrupt.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void note_signal(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

static void handle(void (*handler)(int)) {
    struct sigaction action = {0};
    action.sa_handler = handler;
    action.sa_flags =
        (int)SA_RESETHAND | SA_RESTART; /* the second Ctrl-C finds the default action */
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
}

void interrupt_watch(void) {
    handle(note_signal);
}

void interrupt_unwatch(void) {
    handle(SIG_DFL);
}

int interrupt_came(void) {
    return interrupted != 0;
}

static tercet_session *volatile interruptible;

static void cancel_session(int signal_number) {
    (void)signal_number;
    interrupted = 1;
    if (interruptible != NULL) {
        tercet_session_cancel(interruptible); /* an atomic store: safe here */
    }
}

void interrupt_cancels(tercet_session *session) {
    struct sigaction action = {0};
    (void)sigemptyset(&action.sa_mask);
    /* The second Ctrl-C finds the default action. */
    action.sa_flags = (int)SA_RESETHAND | SA_RESTART;
    action.sa_handler = session != NULL ? cancel_session : SIG_DFL;
    if (session == NULL) {
        (void)sigaction(SIGINT, &action, NULL);
        interruptible = NULL;
        return;
    }
    interruptible = session;
    interrupted = 0;
    (void)sigaction(SIGINT, &action, NULL);
}
