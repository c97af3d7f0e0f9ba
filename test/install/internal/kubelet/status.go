package kubelet

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// ReportAvailable reports every Deployment as available until ctx ends. Installers wait for this, and there are no
// nodes and no Deployment controller here.
func ReportAvailable(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			deployments, err := client.AppsV1().Deployments("").List(ctx, metav1.ListOptions{})
			if err != nil {
				continue
			}
			for i := range deployments.Items {
				report(ctx, client, &deployments.Items[i])
			}
		}
	}
}

func report(ctx context.Context, client kubernetes.Interface, deployment *appsv1.Deployment) {
	if deployment.Status.ObservedGeneration == deployment.Generation && len(deployment.Status.Conditions) > 0 {
		return
	}
	count := *deployment.Spec.Replicas
	now := metav1.Now()
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: count, UpdatedReplicas: count, ReadyReplicas: count,
		AvailableReplicas: count,
		Conditions: []appsv1.DeploymentCondition{
			{
				Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable",
				LastUpdateTime: now, LastTransitionTime: now,
			},
			{
				Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable",
				LastUpdateTime: now, LastTransitionTime: now,
			},
		},
	}
	deployments := client.AppsV1().Deployments(deployment.Namespace)
	_, _ = deployments.UpdateStatus(ctx, deployment, metav1.UpdateOptions{}) // a conflict is retried
}
