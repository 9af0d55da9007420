/*
 * commands.h: every command of the native twin, one file each (command_NAME.c), and the exit codes
 * they share. A command reads its own arguments, prints its own help and reports its own errors; it
 * returns an exit code and never calls exit().
 */
#ifndef TERCET_NATIVE_COMMANDS_H
#define TERCET_NATIVE_COMMANDS_H

enum {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1,       /* an error was reported on stderr, with its stable code */
    EXIT_CODE_USAGE = 2,        /* unknown command or option, missing or bad argument */
    EXIT_CODE_INTERRUPTED = 130 /* stopped by Ctrl-C: 128 + SIGINT, as shells say it */
};

/* argv[0] is the command's own name ("run"), the rest are its arguments. */
int command_pack(int argc, char **argv);
int command_export(int argc, char **argv);
int command_chat(int argc, char **argv);
int command_run(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_perplexity(int argc, char **argv);
int command_logits(int argc, char **argv);
int command_embed(int argc, char **argv);
int command_tokenize(int argc, char **argv);
int command_constants(int argc, char **argv);

#endif
