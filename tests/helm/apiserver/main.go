// A Kubernetes API server and its etcd in one process, with neither nodes nor controllers: for what it says of an
// object, not for running anything. Its arguments are a folder for the data and the flags of kube-apiserver.
package main

import (
	"fmt"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	folder, flags := os.Args[1], os.Args[2:]
	storage, err := startStorage(folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		os.Exit(1)
	}
	command := app.NewAPIServerCommand()
	command.SetArgs(append(flags, "--etcd-servers=http://"+storage.Clients[0].Addr().String()))
	if command.Execute() != nil { // it has said why
		os.Exit(1)
	}
}

func startStorage(folder string) (*embed.Etcd, error) {
	anyPort := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config := embed.NewConfig()
	config.Dir = folder
	config.ListenClientUrls, config.ListenPeerUrls = anyPort, anyPort
	config.EnableGRPCGateway = false // it would look for itself at port 0
	config.LogLevel = "error"
	config.UnsafeNoFsync = true
	storage, err := embed.StartEtcd(config)
	if err == nil {
		<-storage.Server.ReadyNotify()
	}
	return storage, err
}
