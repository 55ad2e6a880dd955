// Command conformance does with the client what it is told on standard input, and
// writes what it saw to standard output. The README of tests/e2e/clients has the
// protocol.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := drive(bufio.NewReader(os.Stdin), &lines{to: os.Stdout}); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// drive carries out orders until the input ends.
func drive(input *bufio.Reader, output *lines) error {
	for {
		line, err := input.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		order, err := parseOrder(line)
		if err != nil {
			return err
		}
		if err := carryOut(order, input, output); err != nil {
			return err
		}
		output.write("end", true)
		if output.err != nil {
			return output.err
		}
	}
}
