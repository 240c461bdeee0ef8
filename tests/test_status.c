/* test_status.c - statuses, sentences and pointers. */
#include "boltz/status.h"

#include <pthread.h>

#include "check.h"

static void every_status_has_its_own_name(void) {
  CHECK_TEXT(boltz_status_name(BOLTZ_OK), "OK");
  CHECK_TEXT(boltz_status_name(BOLTZ_OUT_OF_RANGE), "OUT_OF_RANGE");
  CHECK_TEXT(boltz_status_name(BOLTZ_IO), "IO");
  CHECK(boltz_status_name((enum boltz_status)9999) != NULL);
}

static void a_failure_leaves_its_sentence_and_clears_the_pointer(void) {
  CHECK_INT(boltz_fail_at(BOLTZ_WRONG_TYPE, "/a/b", "first"), BOLTZ_WRONG_TYPE);
  CHECK_TEXT(boltz_error_pointer(), "/a/b");
  CHECK_INT(boltz_fail(BOLTZ_OUT_OF_RANGE, "dim = %d is not in [1, %d]", 0, 4096),
            BOLTZ_OUT_OF_RANGE);
  CHECK_TEXT(boltz_error(), "dim = 0 is not in [1, 4096]");
  CHECK_TEXT(boltz_error_pointer(), "");
}

static enum boltz_status third_layer(void) {
  enum boltz_status status = boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/hidden/2", "too wide");
  return boltz_fail_under(status, "/layers/%d", 2);
}

static enum boltz_status flow(void) {
  BOLTZ_TRY(BOLTZ_OK);
  BOLTZ_TRY(third_layer());
  return BOLTZ_OK;
}

static void a_pointer_grows_at_its_front_on_the_way_up(void) {
  CHECK_INT(boltz_fail_under(flow(), "/flow"), BOLTZ_OUT_OF_RANGE);
  CHECK_TEXT(boltz_error_pointer(), "/flow/layers/2/hidden/2");
  CHECK_TEXT(boltz_error(), "too wide");
}

static void success_passes_untouched(void) {
  boltz_fail_at(BOLTZ_IO, "/kept", "kept");
  CHECK_INT(boltz_fail_under(BOLTZ_OK, "/lost"), BOLTZ_OK);
  CHECK_TEXT(boltz_error_pointer(), "/kept");
}

static void a_failure_may_quote_the_one_before_it(void) {
  boltz_fail_at(BOLTZ_MALFORMED_JSON, "/x", "byte 3: a colon is missing");
  boltz_fail_at(BOLTZ_BAD_CHECKPOINT, boltz_error_pointer(), "header: %s", boltz_error());
  CHECK_TEXT(boltz_error(), "header: byte 3: a colon is missing");
  CHECK_TEXT(boltz_error_pointer(), "/x");
}

static void a_sentence_stays_text_whatever_it_quotes(void) {
  boltz_fail(BOLTZ_UNKNOWN_NAME, "\"%.4s\" is unknown", "abc\xc3\xa9"); /* é cut in two */
  CHECK_TEXT(boltz_error(), "\"abc?\" is unknown");
  boltz_fail(BOLTZ_UNKNOWN_NAME, "%s", "a\nb\xff\xc3\xa9");
  CHECK_TEXT(boltz_error(), "a?b?\xc3\xa9");
}

static void long_sentences_and_pointers_are_cut_not_overrun(void) {
  char text[5000];
  memset(text, 'a', sizeof text);
  text[sizeof text - 1] = 0;
  boltz_fail_at(BOLTZ_IO, text, "%s", text);
  CHECK(strlen(boltz_error()) > 100 && strlen(boltz_error()) < 1024);
  CHECK(strlen(boltz_error_pointer()) > 100 && strlen(boltz_error_pointer()) < 1024);
  CHECK_INT(boltz_fail_under(BOLTZ_IO, "/%s", text), BOLTZ_IO);
  CHECK(strlen(boltz_error_pointer()) < 1024);
}

static void *other_thread(void *empty) {
  *(int *)empty = boltz_error()[0] == 0;
  boltz_fail(BOLTZ_IO, "theirs");
  return NULL;
}

static void each_thread_has_its_own_sentence(void) {
  pthread_t thread;
  int empty = 0;
  boltz_fail(BOLTZ_IO, "ours");
  CHECK_INT(pthread_create(&thread, NULL, other_thread, &empty), 0);
  pthread_join(thread, NULL);
  CHECK(empty);
  CHECK_TEXT(boltz_error(), "ours");
}

int main(int argc, char **argv) {
  RUN(every_status_has_its_own_name);
  RUN(a_failure_leaves_its_sentence_and_clears_the_pointer);
  RUN(a_pointer_grows_at_its_front_on_the_way_up);
  RUN(success_passes_untouched);
  RUN(a_failure_may_quote_the_one_before_it);
  RUN(a_sentence_stays_text_whatever_it_quotes);
  RUN(long_sentences_and_pointers_are_cut_not_overrun);
  RUN(each_thread_has_its_own_sentence);
  return check_report();
}
