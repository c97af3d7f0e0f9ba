// Package measure is what the programs that measure the operator have in common: samples, what processes use, what the
// audit log tells, and reports.
package measure
