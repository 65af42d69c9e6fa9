// SPDX-License-Identifier: Apache-2.0

// Command workload stands in for the workload clusters of a management cluster whose machines run nothing.
//
//	Cluster with an endpoint   ->  an API server and etcd in memory, on exactly that host:port
//	Machine with a server      ->  a Ready Node with its providerID and addresses
//	control plane Machine      ->  also the pods and the etcd member that KubeadmControlPlane inspects
//
// Its state is derived from the management cluster alone, so a restart loses nothing that matters: etcd member ids
// follow from UIDs. The servers in memory are exported packages of sigs.k8s.io/cluster-api/test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	cloudv1 "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/cloud/api/v1alpha1"
	inmemory "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
)

func main() {
	kubeconfig := flag.Lookup("kubeconfig") // controller-runtime defines it
	health := flag.String("health-address", "", "host:port that answers /readyz once the management cluster is known")
	anyHost := flag.Bool("any-host", false, "serve endpoints that are no loopback addresses too (for a network namespace)")
	period := flag.Duration("period", 200*time.Millisecond, "how often the pretend clusters are brought in line")
	flag.Parse()
	ctrl.SetLogger(klog.Background())

	if err := run(ctrl.SetupSignalHandler(), kubeconfig.Value.String(), *health, *anyHost, *period); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run keeps the pretend clusters in line with the management cluster until ctx ends.
func run(ctx context.Context, kubeconfig, health string, anyHost bool, period time.Duration) error {
	management, err := watchManagement(ctx, kubeconfig)
	if err != nil {
		return err
	}
	scheme, err := newScheme(cloudv1.AddToScheme, corev1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme,
		storagev1.AddToScheme, apiextensionsv1.AddToScheme, policyv1.AddToScheme)
	if err != nil {
		return err
	}
	memory := inmemory.NewManager(scheme)
	if err := memory.Start(ctx); err != nil {
		return err
	}
	clusters, err := newClusters(management, memory, anyHost)
	if err != nil {
		return err
	}
	if health != "" {
		go serveHealth(health)
	}
	klog.Info("ready")
	for said := ""; ctx.Err() == nil; {
		pause, now := period, ""
		if err := clusters.pass(ctx); err != nil {
			pause, now = time.Second, err.Error()
		}
		if now != said && now != "" { // a trouble that lasts is told once
			klog.Error(now)
		}
		said = now
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	clusters.stop()
	return nil
}

// watchManagement returns a client which reads Clusters and Machines from watches and Secrets from the server.
func watchManagement(ctx context.Context, kubeconfig string) (client.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 200
	scheme, err := newScheme(clusterv1.AddToScheme, corev1.AddToScheme)
	if err != nil {
		return nil, err
	}
	management, err := cluster.New(config, func(o *cluster.Options) {
		o.Scheme = scheme
		o.Client.Cache = &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}
	})
	if err != nil {
		return nil, err
	}
	failed := make(chan error, 1)
	go func() { failed <- management.Start(ctx) }()
	for _, kind := range []client.Object{&clusterv1.Cluster{}, &clusterv1.Machine{}} {
		if _, err := management.GetCache().GetInformer(ctx, kind); err != nil {
			return nil, err
		}
	}
	if !management.GetCache().WaitForCacheSync(ctx) {
		return nil, errors.Join(errors.New("the management cluster could not be read"), <-failed)
	}
	return management.GetClient(), nil
}

func newScheme(parts ...func(*runtime.Scheme) error) (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range parts {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}

func serveHealth(address string) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	server := &http.Server{Addr: address, Handler: answer, ReadHeaderTimeout: 5 * time.Second}
	klog.Fatal(server.ListenAndServe())
}
