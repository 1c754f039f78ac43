#include <libavutil/avstring.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "state.h"

static _Thread_local char last_log[CV_MESSAGE_CAPACITY];

/// Keeps errors instead of printing them. One thread reads, decodes and logs, so the message is its own.
static void keep_log(void *source, int level, const char *format, va_list arguments) {
    if (level > AV_LOG_ERROR) return;
    vsnprintf(last_log, sizeof last_log, format, arguments);
    last_log[strcspn(last_log, "\n")] = 0;
}

static void start(void) {
    av_log_set_callback(keep_log);
    // No table in a file of any honest size comes near; a hostile one may ask for anything.
    av_max_alloc((size_t)1 << 30);
}

void cv_start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}

const char *cv_last_log(void) { return last_log; }

void cv_forget_log(void) { last_log[0] = 0; }

void cv_explain(char *message, const char *what, int error) {
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    if (error < 0) av_strerror(error, reason, sizeof reason);
    const char *log = last_log;
    av_strlcpy(message, what, CV_MESSAGE_CAPACITY);
    if (reason[0]) av_strlcatf(message, CV_MESSAGE_CAPACITY, ": %s", reason);
    if (log[0]) av_strlcatf(message, CV_MESSAGE_CAPACITY, "; %s", log);
}

unsigned cv_version(void) { return avcodec_version(); }
