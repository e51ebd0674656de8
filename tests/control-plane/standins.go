package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/reference"
	"k8s.io/client-go/util/workqueue"
	volume "k8s.io/component-helpers/storage/volume"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

// What a StorageClass tells its provisioner, if that is ours.
const (
	// The provisioner for which we stand in.
	provisioner = "stand-in.quorate.dev"
	// The label of nodes that decides from where a volume is reached. Without it from everywhere.
	parameterTopology = "topology"
	// How long the making of a volume takes, such as "300ms".
	parameterDelay = "delay"
	// The values of that label, with commas, for which no volume can be made.
	parameterRefuses = "refuses"
)

const (
	// How many volumes are in the making at most.
	volumesAtOnce = 32
	// How long a provisioner waits before it takes up again what has failed.
	retryAfter = 200 * time.Millisecond
)

const runningStatus = `{"status": {"phase": "Running", "conditions": [
	{"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": "True"}]}}`

// standIns are kubelets that take every pod for running, and a provisioner for each class that
// names it.
type standIns struct {
	client  kubernetes.Interface
	factory informers.SharedInformerFactory
	claims  workqueue.TypedDelayingInterface[cache.ObjectName]
}

func newStandIns(client kubernetes.Interface, factory informers.SharedInformerFactory) *standIns {
	claims := workqueue.NewTypedDelayingQueue[cache.ObjectName]()
	s := &standIns{client: client, factory: factory, claims: claims}
	onChange := func(react func(object any)) cache.ResourceEventHandler {
		return cache.ResourceEventHandlerFuncs{
			AddFunc:    react,
			UpdateFunc: func(_, object any) { react(object) },
		}
	}
	core := factory.Core().V1()
	_, _ = core.Pods().Informer().AddEventHandler(onChange(func(object any) {
		if pod := object.(*v1.Pod); pod.Spec.NodeName != "" && pod.Status.Phase == v1.PodPending {
			go s.start(pod)
		}
	}))
	_, _ = core.PersistentVolumeClaims().Informer().AddEventHandler(onChange(func(object any) {
		s.claims.Add(cache.MetaObjectToName(object.(*v1.PersistentVolumeClaim)))
	}))
	return s
}

// start does what a kubelet does that can run the pod.
func (s *standIns) start(pod *v1.Pod) {
	pods := s.client.CoreV1().Pods(pod.Namespace)
	_, err := pods.Patch(context.Background(), pod.Name, types.StrategicMergePatchType,
		[]byte(runningStatus), metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsNotFound(err) {
		klog.ErrorS(err, "A pod was not started.", "pod", klog.KObj(pod))
	}
}

// run makes volumes, as external-provisioner does: never two volumes for one claim at once, and
// without another look at the claim once it has begun.
func (s *standIns) run(ctx context.Context) {
	s.factory.WaitForCacheSyncWithContext(ctx)
	var group wait.Group
	for range volumesAtOnce {
		group.Start(func() {
			for s.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	s.claims.ShutDown()
	group.Wait()
}

func (s *standIns) next(ctx context.Context) bool {
	claim, ended := s.claims.Get()
	if ended {
		return false
	}
	defer s.claims.Done(claim)
	if err := s.provision(ctx, claim); err != nil {
		klog.ErrorS(err, "No volume was made.", "claim", claim)
		s.claims.AddAfter(claim, retryAfter)
	}
	return true
}

// provision makes a volume for the claim if it is its turn.
func (s *standIns) provision(ctx context.Context, name cache.ObjectName) error {
	claims := s.client.CoreV1().PersistentVolumeClaims(name.Namespace)
	claim, err := claims.Get(ctx, name.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	// The binder writes down who has to make the volume once that is known to be needed.
	if claim.Spec.VolumeName != "" || claim.Annotations[volume.AnnStorageProvisioner] != provisioner {
		return nil
	}
	class, err := s.client.StorageV1().StorageClasses().Get(
		ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	selected := claim.Annotations[volume.AnnSelectedNode]
	late := *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	if late && selected == "" {
		return nil
	}
	domain, err := s.domain(ctx, class, selected)
	if err != nil {
		return err
	}
	if delay := class.Parameters[parameterDelay]; delay != "" {
		patience, err := time.ParseDuration(delay)
		if err != nil {
			return err
		}
		time.Sleep(patience)
	}
	refused := strings.Split(class.Parameters[parameterRefuses], ",")
	if domain != "" && slices.Contains(refused, domain) {
		delete(claim.Annotations, volume.AnnSelectedNode)
		_, err = claims.Update(ctx, claim, metav1.UpdateOptions{})
		return err
	}
	made, err := newVolume(claim, class, domain)
	if err != nil {
		return err
	}
	_, err = s.client.CoreV1().PersistentVolumes().Create(ctx, made, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// domain is the part of the cluster that reaches a volume made for the node; empty for all of it.
func (s *standIns) domain(
	ctx context.Context, class *storagev1.StorageClass, node string,
) (string, error) {
	key := class.Parameters[parameterTopology]
	if key == "" || node == "" {
		return "", nil
	}
	object, err := s.client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	domain, found := object.Labels[key]
	if !found {
		return "", fmt.Errorf("node %s has no label %s", node, key)
	}
	return domain, nil
}

func newVolume(
	claim *v1.PersistentVolumeClaim, class *storagev1.StorageClass, domain string,
) (*v1.PersistentVolume, error) {
	owner, err := reference.GetReference(legacyscheme.Scheme, claim)
	if err != nil {
		return nil, err
	}
	made := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "pvc-" + string(claim.UID),
			Annotations: map[string]string{volume.AnnDynamicallyProvisioned: provisioner},
		},
		Spec: v1.PersistentVolumeSpec{
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			ClaimRef:                      owner,
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			StorageClassName:              class.Name,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeSource: v1.PersistentVolumeSource{
				CSI: &v1.CSIPersistentVolumeSource{Driver: provisioner, VolumeHandle: string(claim.UID)},
			},
		},
	}
	if domain != "" {
		made.Spec.NodeAffinity = &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{
			NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{
					Key:      class.Parameters[parameterTopology],
					Operator: v1.NodeSelectorOpIn,
					Values:   []string{domain},
				}},
			}},
		}}
	}
	return made, nil
}
