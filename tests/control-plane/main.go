// Command control-plane is, by its first argument, one of the real programs of a Kubernetes
// control plane: etcd, kube-apiserver, kube-scheduler, or the controllers that make claims and
// bind volumes.
//
// The integration tests build it from the Go modules of Kubernetes and etcd, so that they need
// neither containers nor downloaded binaries; the arguments that follow are the program's own.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

var programs = map[string]func() *cobra.Command{
	"controllers":    newControllersCommand,
	"kube-apiserver": apiserver.NewAPIServerCommand,
	"kube-scheduler": func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	if len(os.Args) < 2 {
		usage("it needs the name of a program as its first argument")
	}
	name := os.Args[1]
	// Dropping our own name makes each program see the arguments it would see alone, and makes
	// the user agent in the audit log say "kube-scheduler" instead of "control-plane".
	os.Args = os.Args[1:]
	if name == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	command, found := programs[name]
	if !found {
		usage(fmt.Sprintf("it does not know the program %q", name))
	}
	os.Exit(cli.Run(command()))
}

func usage(problem string) {
	fmt.Fprintf(os.Stderr, "control-plane: %s\n", problem)
	fmt.Fprintln(os.Stderr, "usage: control-plane etcd|kube-apiserver|kube-scheduler|controllers [flags]")
	os.Exit(2)
}
