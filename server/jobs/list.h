/* list.h - every kind of job: a line here and a file beside it. */
JOB(train)
JOB(mcmc)
