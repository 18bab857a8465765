// Package show is everything that people see of the command dynamo: results,
// plans, progress, questions, errors.
//
// What goes where:
//
//   - stdout carries data and results, and nothing else. With --json that is exactly
//     one JSON object, or JSON data, on every way out.
//   - stderr carries plans, questions, progress, notes and errors for people. With
//     --json it carries JSON log lines and nothing else.
//   - A question is asked where stdin and stderr are both terminals, and nowhere else.
//   - In GitHub Actions errors are annotations as well, and results are appended to
//     the job's page; no text of a table's can be taken for a command of the runner's.
//   - Text that comes from outside reaches a terminal, a log or a page escaped: [Say],
//     [Visible] and [Streams.Object] are the ways out.
//
// A [Result] says the same twice, as JSON and in rows; [Streams.Results] and
// [Streams.Show] print any of them.
package show
