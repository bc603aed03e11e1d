// Darkroom on Azure: servers and workers on Container Apps, Service Bus, and a MongoDB of your own or Cosmos DB.
// az deployment group create -g GROUP -f deploy/azure/main.bicep -p image=REGISTRY.azurecr.io/darkroom:TAG registry=REGISTRY
targetScope = 'resourceGroup'

@description('The image, with its registry and tag.')
param image string

@description('The Azure Container Registry in this resource group that has it; empty for a public one.')
param registry string = ''

@description('A MongoDB such as Atlas, with its password. Empty makes a Cosmos DB for MongoDB.')
@secure()
param mongoUri string = ''

@description('Of the administrator that the first start makes.')
@secure()
@minLength(8)
param adminPassword string

@description('Begins every name.')
@minLength(3)
@maxLength(12)
param prefix string = 'darkroom'

param location string = resourceGroup().location

@minValue(1)
param serversMin int = 2

@minValue(1)
param serversMax int = 10

@description('0 lets the last worker go when nothing waits; the next job then waits for one to start.')
@minValue(0)
param workersMin int = 1

@minValue(1)
param workersMax int = 10

var unique = '${prefix}${uniqueString(resourceGroup().id)}'
var shortUnique = take(unique, 24)
var jobs = 'darkroom-jobs'
var otherJobs = 'image-jobs'
var results = 'darkroom-results'

var roles = {
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  // Sending and receiving would do for Darkroom; who scales by a queue's length must manage it.
  serviceBusDataOwner: '090c5cfd-751d-490a-894a-3ce6f1109419'
  acrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: unique
  location: location
}

resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: unique
  location: location
  // Basic has no duplicate detection.
  sku: {
    name: 'Standard'
    tier: 'Standard'
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
  }
}

resource queues 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for name in [
  jobs
  otherJobs
  results
]: {
  parent: bus
  name: name
  properties: {
    lockDuration: 'PT5M'
    maxDeliveryCount: 10
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'PT10M'
    // Longer than any job's deadline.
    defaultMessageTimeToLive: 'P14D'
    // A job that expired here is sent again by its server: among the dead letters it would count as failed.
    deadLetteringOnMessageExpiration: name == results
  }
}]

resource busRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(bus.id, identity.id, roles.serviceBusDataOwner)
  scope: bus
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.serviceBusDataOwner)
  }
}

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2024-08-15' = if (empty(mongoUri)) {
  name: unique
  location: location
  kind: 'MongoDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    apiProperties: {
      serverVersion: '7.0'
    }
    capabilities: [
      {
        name: 'EnableMongo'
      }
      // What exceeds the request units for now is tried again there, instead of being refused.
      {
        name: 'DisableRateLimitingResponses'
      }
    ]
    consistencyPolicy: {
      defaultConsistencyLevel: 'Strong'
    }
    locations: [
      {
        locationName: location
        failoverPriority: 0
      }
    ]
    minimalTlsVersion: 'Tls12'
  }
}

resource cosmosDatabase 'Microsoft.DocumentDB/databaseAccounts/mongodbDatabases@2024-08-15' = if (empty(mongoUri)) {
  parent: cosmos
  name: 'darkroom'
  properties: {
    resource: {
      id: 'darkroom'
    }
    options: {
      autoscaleSettings: {
        maxThroughput: 4000
      }
    }
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: shortUnique
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
  }
}

resource mongoUriSecret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'mongodb-uri'
  properties: {
    // Cosmos DB's own has retrywrites=false in it, which it needs.
    value: empty(mongoUri) ? cosmos!.listConnectionStrings().connectionStrings[0].connectionString : mongoUri
  }
}

resource adminPasswordSecret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'admin-password'
  properties: {
    value: adminPassword
  }
}

resource vaultRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, identity.id, roles.keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
  }
}

resource containerRegistry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = if (!empty(registry)) {
  name: empty(registry) ? 'none' : registry
}

resource registryRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(registry)) {
  name: guid(resourceGroup().id, registry, identity.id, roles.acrPull)
  scope: containerRegistry
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPull)
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: unique
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
  }
}

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: unique
  location: location
  properties: {
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: logs.properties.customerId
        sharedKey: logs.listKeys().primarySharedKey
      }
    }
  }
}

var identities = {
  type: 'UserAssigned'
  userAssignedIdentities: {
    '${identity.id}': {}
  }
}

var registries = empty(registry) ? [] : [
  {
    server: '${registry}.azurecr.io'
    identity: identity.id
  }
]

var queueSettings = [
  {
    name: 'AZURE_SERVICEBUS_NAMESPACE'
    value: '${bus.name}.servicebus.windows.net'
  }
  // Which of its identities the process is.
  {
    name: 'AZURE_CLIENT_ID'
    value: identity.properties.clientId
  }
  {
    name: 'AZURE_PUBLISH_QUEUE_NAME'
    value: otherJobs
  }
  {
    name: 'AZURE_RECEIVE_QUEUE_NAME'
    value: results
  }
]

var probes = [
  {
    type: 'Startup'
    httpGet: {
      path: '/health/live'
      port: 8080
    }
    periodSeconds: 3
    failureThreshold: 30
  }
  {
    type: 'Liveness'
    httpGet: {
      path: '/health/live'
      port: 8080
    }
  }
  {
    type: 'Readiness'
    httpGet: {
      path: '/health/ready'
      port: 8080
    }
    periodSeconds: 5
  }
]

var scratch = [
  {
    name: 'scratch'
    storageType: 'EmptyDir'
  }
]

var mounts = [
  {
    volumeName: 'scratch'
    mountPath: '/data'
  }
]

resource server 'Microsoft.App/containerApps@2025-01-01' = {
  name: '${prefix}-server'
  location: location
  identity: identities
  dependsOn: [
    busRole
    vaultRole
    registryRole
    queues
    cosmosDatabase
  ]
  properties: {
    environmentId: environment.id
    configuration: {
      ingress: {
        external: true
        targetPort: 8080
        // To the server alone: callers may speak HTTP/1.1 all the same.
        transport: 'http2'
      }
      registries: registries
      secrets: [
        {
          name: 'mongodb-uri'
          keyVaultUrl: mongoUriSecret.properties.secretUri
          identity: identity.id
        }
        {
          name: 'admin-password'
          keyVaultUrl: adminPasswordSecret.properties.secretUri
          identity: identity.id
        }
      ]
    }
    template: {
      terminationGracePeriodSeconds: 30
      volumes: scratch
      containers: [
        {
          name: 'server'
          image: image
          args: [
            'serve'
            '--no-worker'
          ]
          resources: {
            cpu: json('1.0')
            memory: '2Gi'
          }
          env: concat(queueSettings, [
            {
              name: 'MONGODB_URI'
              secretRef: 'mongodb-uri'
            }
            {
              name: 'MONGODB_DATABASE'
              value: 'darkroom'
            }
            {
              name: 'DARKROOM_ADMIN_PASSWORD'
              secretRef: 'admin-password'
            }
            // The environment's ingress.
            {
              name: 'TRUSTED_PROXIES'
              value: 'uniquelocal,100.64.0.0/10'
            }
          ])
          probes: probes
          volumeMounts: mounts
        }
      ]
      scale: {
        minReplicas: serversMin
        maxReplicas: serversMax
        rules: [
          {
            name: 'calls'
            http: {
              metadata: {
                concurrentRequests: '100'
              }
            }
          }
          {
            name: 'results'
            custom: {
              type: 'azure-servicebus'
              identity: identity.id
              metadata: {
                namespace: bus.name
                queueName: results
                messageCount: '200'
              }
            }
          }
        ]
      }
    }
  }
}

resource worker 'Microsoft.App/containerApps@2025-01-01' = {
  name: '${prefix}-worker'
  location: location
  identity: identities
  dependsOn: [
    busRole
    registryRole
    queues
  ]
  properties: {
    environmentId: environment.id
    configuration: {
      registries: registries
    }
    template: {
      terminationGracePeriodSeconds: 30
      volumes: scratch
      containers: [
        {
          name: 'worker'
          image: image
          args: [
            'worker'
          ]
          // The largest picture takes 1.3 GB.
          resources: {
            cpu: json('2.0')
            memory: '4Gi'
          }
          env: concat(queueSettings, [
            {
              name: 'DARKROOM_SERVER_URL'
              value: 'https://${server.properties.configuration.ingress.fqdn}'
            }
            {
              name: 'DARKROOM_WORKER_HEALTH_PORT'
              value: '8080'
            }
          ])
          probes: probes
          volumeMounts: mounts
        }
      ]
      scale: {
        minReplicas: workersMin
        maxReplicas: workersMax
        rules: [
          {
            name: 'jobs'
            custom: {
              type: 'azure-servicebus'
              identity: identity.id
              metadata: {
                namespace: bus.name
                queueName: jobs
                // As many as a worker does at a time, and a few that wait for it.
                messageCount: '5'
              }
            }
          }
        ]
      }
    }
  }
}

output url string = 'https://${server.properties.configuration.ingress.fqdn}'
output serviceBus string = '${bus.name}.servicebus.windows.net'
