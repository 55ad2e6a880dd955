// Command kubelet-probe asks a server for its health as a kubelet does: by the
// kubelet's own prober, from Kubernetes' source.
//
//	kubelet-probe HOST PORT SERVICE TIMEOUT
//
// It prints what the kubelet would record, success, failure or unknown, and what
// it was told. Only a mistake of the command line is a failure of the program.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"k8s.io/kubernetes/pkg/probe/grpc"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(arguments []string) error {
	if len(arguments) != 4 {
		return fmt.Errorf("usage: kubelet-probe HOST PORT SERVICE TIMEOUT")
	}
	port, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	timeout, err := time.ParseDuration(arguments[3])
	if err != nil {
		return err
	}
	result, told, err := grpc.New().Probe(arguments[0], arguments[2], port, timeout)
	fmt.Println(result)
	fmt.Println(told)
	return err
}
