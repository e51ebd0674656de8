package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubernetes/pkg/controller/statefulset"
	"k8s.io/kubernetes/pkg/controller/volume/ephemeral"
	"k8s.io/kubernetes/pkg/controller/volume/persistentvolume"
)

const (
	// No test waits for a rate limit.
	requestsPerSecondMax = 5000
	// kube-controller-manager's defaults.
	workers    = 5
	syncPeriod = 15 * time.Second
)

// newControllersCommand runs those of kube-controller-manager's controllers that make and bind
// claims, beside stand-ins for what there is none of: kubelets and the provisioners of drivers.
func newControllersCommand() *cobra.Command {
	var kubeconfig string
	command := &cobra.Command{
		Use:  "controllers",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runControllers(command.Context(), kubeconfig)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach kube-apiserver")
	return command
}

func runControllers(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("failed to read %s: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = requestsPerSecondMax, requestsPerSecondMax
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	core, apps, storage := factory.Core().V1(), factory.Apps().V1(), factory.Storage().V1()
	sets := statefulset.NewStatefulSetController(ctx, core.Pods(), apps.StatefulSets(),
		core.PersistentVolumeClaims(), apps.ControllerRevisions(), client)
	binder, err := persistentvolume.NewController(ctx, persistentvolume.ControllerParameters{
		KubeClient: client,
		SyncPeriod: syncPeriod,
		// Without plugins every class has a provisioner outside of this process.
		VolumePlugins:             nil,
		VolumeInformer:            core.PersistentVolumes(),
		ClaimInformer:             core.PersistentVolumeClaims(),
		ClassInformer:             storage.StorageClasses(),
		PodInformer:               core.Pods(),
		NodeInformer:              core.Nodes(),
		EnableDynamicProvisioning: true,
	})
	if err != nil {
		return err
	}
	ephemerals, err := ephemeral.NewController(ctx, client, core.Pods(), core.PersistentVolumeClaims())
	if err != nil {
		return err
	}
	standIns := newStandIns(client, factory)
	factory.StartWithContext(ctx)
	var group wait.Group
	group.StartWithContext(ctx, binder.Run)
	group.StartWithContext(ctx, func(ctx context.Context) { sets.Run(ctx, workers) })
	group.StartWithContext(ctx, func(ctx context.Context) { ephemerals.Run(ctx, workers) })
	group.StartWithContext(ctx, standIns.run)
	fmt.Println("The controllers run.")
	group.Wait()
	return nil
}
