// Package measure is what the measuring programs share: samples, the usage of processes, figures from the audit log,
// and reports.
package measure
